//! Lists and maps of what somebody else wrote, read no further than they may go: a few bytes of JSON are an entry that
//! takes a hundred in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A list of at most `N` entries; a longer one is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtMost<const N: usize, T>(pub Vec<T>);

/// A map of at most `N` entries by name; a larger one is an error. Of two with one name the last counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtMostNamed<const N: usize, T>(pub BTreeMap<String, T>);

struct Bounded<const N: usize, T>(PhantomData<T>);

fn too_many<E: Error>(limit: usize) -> E {
    E::custom(format!("there are more than {limit} entries"))
}

impl<'de, const N: usize, T: Deserialize<'de>> Visitor<'de> for Bounded<N, AtMost<N, T>> {
    type Value = AtMost<N, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {N} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            if entries.len() == N {
                return Err(too_many(N));
            }
            entries.push(entry);
        }
        Ok(AtMost(entries))
    }
}

impl<'de, const N: usize, T: Deserialize<'de>> Visitor<'de> for Bounded<N, AtMostNamed<N, T>> {
    type Value = AtMostNamed<N, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of at most {N} entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((name, entry)) = map.next_entry()? {
            if entries.len() == N {
                return Err(too_many(N));
            }
            entries.insert(name, entry);
        }
        Ok(AtMostNamed(entries))
    }
}

impl<'de, const N: usize, T: Deserialize<'de>> Deserialize<'de> for AtMost<N, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Bounded::<N, Self>(PhantomData))
    }
}

impl<'de, const N: usize, T: Deserialize<'de>> Deserialize<'de> for AtMostNamed<N, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Bounded::<N, Self>(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_is_an_error_with_its_limit() {
        type List = AtMost<2, u8>;
        type Map = AtMostNamed<1, u8>;
        assert_eq!(serde_json::from_str::<List>("[1, 2]").unwrap().0, [1, 2]);
        assert_eq!(serde_json::from_str::<Map>("{\"a\": 1}").unwrap().0.len(), 1);
        let wrong = |shown: String| assert!(shown.contains("there are more than"), "{shown}");
        wrong(serde_json::from_str::<List>("[1, 2, 3]").unwrap_err().to_string());
        wrong(serde_json::from_str::<Map>("{\"a\": 1, \"b\": 2}").unwrap_err().to_string());
        assert!(serde_json::from_str::<List>("{}").unwrap_err().to_string().contains("at most 2"));
    }
}
