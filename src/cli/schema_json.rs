//! `converge schema json [NAME]`: JSON Schemas of what operators write.

use super::error::CliError;
use super::exit::Exit;
use super::options::SchemaJsonArguments;
use super::{machine, output};
use crate::document::did_you_mean;
use crate::vocabulary::{json_schema, json_schema_names};

pub(super) fn run(arguments: &SchemaJsonArguments) -> Result<Exit, CliError> {
    let SchemaJsonArguments { name, directory } = arguments;
    if let Some(name) = name
        && !json_schema_names().any(|known| known == name)
    {
        let hint = did_you_mean(name, json_schema_names())
            .unwrap_or_else(|| format!("schemas are {}", json_schema_names().collect::<Vec<_>>().join(", ")));
        output::say(&format!("error: there is no JSON Schema {name:?}\nhint: {hint}\n"));
        return Ok(Exit::Usage);
    }
    let chosen = |known: &&str| name.as_ref().is_none_or(|name| name == known);
    let schemas = json_schema_names().filter(chosen).filter_map(|name| Some((name, json_schema(name)?)));
    match (directory, name) {
        (Some(directory), _) => {
            machine::make_directory(directory)?;
            for (name, schema) in schemas {
                let path = directory.join(format!("{name}.schema.json"));
                machine::write_file(&path, &format!("{schema:#}\n"))?;
                output::say(&format!("wrote {}\n", path.display()));
            }
        }
        (None, Some(_)) => {
            for (_, schema) in schemas {
                output::answer_json(&schema)?;
            }
        }
        (None, None) => {
            let lines = schemas
                .map(|(name, schema)| format!("{name:<21}{}\n", schema["description"].as_str().unwrap_or_default()));
            output::answer(&format!(
                "{}\n`converge schema json --directory DIR` writes all of them.\n",
                lines.collect::<String>()
            ))?;
        }
    }
    Ok(Exit::Ok)
}
