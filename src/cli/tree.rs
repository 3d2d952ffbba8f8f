//! `h5 tree`: the whole file as a tree.

use super::{
    describe,
    progress::Progress,
    screen::{Ink, Screen, safe, safe_bytes},
    walk::{Found, Walk},
};
use crate::{File, Result};

/// Draws everything below the object at `path`.
///
/// # Errors
/// `Io`; those of the object itself. What is wrong below it is shown in its place.
pub(super) fn run(file: &File, title: &str, path: &[u8], screen: &mut Screen<'_>) -> Result<()> {
    let object = file.object(path)?;
    let mut progress = Progress::objects(screen.is_terminal);
    Walk::default().run(&object, path, &mut |step| {
        progress.advance(1);
        let ink = screen.ink;
        let Some((last, above)) = step.more.split_last() else {
            let name = if path == b"/" { safe(title) } else { safe_bytes(path) };
            let text = describe::object(&object, ink);
            return Ok(writeln!(screen.out, "{}  {text}", ink.paint(Ink::Group, name))?);
        };
        for more in above {
            screen.out.write_all(if *more { "│   " } else { "    " }.as_bytes())?;
        }
        screen.out.write_all(if *last { "├── " } else { "└── " }.as_bytes())?;
        let name = safe_bytes(step.name);
        let (name_ink, text) = match &step.found {
            Found::Object(object) => (kind_ink(object), describe::object(object, ink)),
            Found::Again(first) => {
                let text = ink.paint(Ink::Faint, format!("already visited as {}", safe_bytes(first)));
                (Ink::Faint, text.to_string())
            }
            Found::Link(group, link) => (Ink::Link, describe::link(group, link, ink)),
            Found::Unreadable(error) => (Ink::Bad, describe::bad(ink, "unreadable", error)),
            Found::LinkUnreadable(error) => (Ink::Bad, describe::bad(ink, "unreadable link", error)),
            Found::LinksUnreadable(error) => (Ink::Bad, describe::bad(ink, "links cannot be listed", error)),
        };
        Ok(writeln!(screen.out, "{}  {text}", ink.paint(name_ink, name))?)
    })
}

fn kind_ink(object: &crate::Object) -> Ink {
    match object.kind() {
        Ok(crate::ObjectKind::Group) => Ink::Group,
        Ok(crate::ObjectKind::Datatype) => Ink::Datatype,
        Ok(_) => Ink::Dataset,
        Err(_) => Ink::Bad,
    }
}
