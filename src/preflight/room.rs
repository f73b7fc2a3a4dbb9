//! Whether a directory can take the backup of a database.

use crate::facts::{Disk, Observed};

/// Why it can't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// Nobody here may write to it.
    Access,
    /// There is too little room.
    Room,
    /// It isn't there.
    Directory,
    /// Nobody could say.
    Answer,
}

/// What is lacking for a backup of `bytes` in `directory`, and how that shows; `None` where nothing is.
pub(super) fn lack_of_room(disk: &Observed<&Disk>, directory: &str, bytes: u64) -> Option<(Lack, String)> {
    let needed = bytes / 1024;
    match disk {
        Observed::Known(disk) if !disk.writable => {
            Some((Lack::Access, format!("{} is no directory that can be written to", disk.existing)))
        }
        Observed::Known(disk) if disk.available_kib > needed => None,
        Observed::Known(disk) => Some((
            Lack::Room,
            format!("{directory} has {} KiB free, the database has {needed} KiB", disk.available_kib),
        )),
        Observed::Absent => Some((Lack::Directory, format!("{directory} was not found"))),
        Observed::Unknown(reason) => Some((Lack::Answer, format!("free space of {directory} is unknown: {reason}"))),
    }
}
