//! Definitions in one text, as recordings store them.

use crate::error::DefinitionError;
use crate::name::{InterfaceKind, TypeName};

/// The line between two definitions in a recording.
pub(super) const SEPARATOR: &str =
    "================================================================================";

/// One definition of a concatenated text.
pub(super) struct Section {
    pub(super) name: TypeName,
    pub(super) text: String,
}

/// Splits concatenated text. The first definition is the root's and may stand without a header; the others
/// follow a line of `=` and a line `MSG: pkg/Name` (or `IDL:`, `SRV:`, `ACTION:`).
pub(super) fn split(root: &TypeName, text: &str) -> Result<Vec<Section>, DefinitionError> {
    let mut sections = vec![Section {
        name: root.interface(),
        text: String::new(),
    }];
    let mut lines = text.split_inclusive('\n').enumerate();
    while let Some((_, line)) = lines.next() {
        if is_separator(line) {
            // The line break before a separator is the separator's.
            if let Some(Section { text, .. }) = sections.last_mut()
                && (text.ends_with("\n\n") || text == "\n")
            {
                text.pop();
            }
            let header = lines.next();
            let (number, header) = header.map_or((0, ""), |(i, line)| (i + 1, line.trim()));
            sections.push(Section {
                name: parse_header(number, header)?,
                text: String::new(),
            });
        } else if let Some(section) = sections.last_mut() {
            section.text.push_str(line);
        }
    }
    // Some recorders put a header before the root as well.
    let root_again = sections
        .iter()
        .skip(1)
        .any(|section| section.name == root.interface());
    if root_again && sections[0].text.trim().is_empty() {
        sections.remove(0);
    } else if root.interface() != *root {
        sections[0].name = root.clone(); // the text may be that of the part alone
    }
    Ok(sections)
}

fn is_separator(line: &str) -> bool {
    let line = line.trim_end();
    line.len() >= 3 && line.bytes().all(|b| b == b'=')
}

fn parse_header(number: usize, header: &str) -> Result<TypeName, DefinitionError> {
    let expected = || {
        DefinitionError::at(
            number,
            1,
            format!("expected `MSG: pkg/Name` behind a line of `=`, found {header:?}"),
        )
    };
    let (keyword, name) = header.split_once(':').ok_or_else(expected)?;
    let name = name.trim();
    let kind = match keyword {
        "MSG" | "IDL" => InterfaceKind::Msg,
        "SRV" => InterfaceKind::Srv,
        "ACTION" => InterfaceKind::Action,
        _ => return Err(expected()),
    };
    match name.split_once('/') {
        Some((pkg, name)) if !name.contains('/') => Ok(TypeName::new(pkg, kind, name)?),
        _ => Ok(name.parse()?),
    }
}
