//! `#[h5(...)]` and `#[repr(...)]`.

use std::collections::HashSet;

use proc_macro2::{Ident, Span};
use syn::{Attribute, Error, LitStr, Path, Result, ext::IdentExt, meta::ParseNestedMeta};

/// Every name in `#[repr(...)]`, such as `C`, `packed` or `u8`.
pub fn reprs(attributes: &[Attribute]) -> Result<Vec<Ident>> {
    let mut names = Vec::new();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("repr")) {
        attribute.parse_nested_meta(|meta| {
            names.push(meta.path.require_ident()?.clone());
            // The number of `packed(2)` or `align(8)`.
            if meta.input.peek(syn::token::Paren) {
                let content;
                syn::parenthesized!(content in meta.input);
                content.parse::<proc_macro2::TokenStream>()?;
            }
            Ok(())
        })?;
    }
    Ok(names)
}

/// `#[h5(crate = path)]` of a type.
pub fn krate(attributes: &[Attribute]) -> Result<Option<Path>> {
    let mut path = None;
    each(attributes, |meta| {
        if !meta.path.is_ident("crate") {
            return Err(meta.error("unknown attribute of a type: expected `crate = path`"));
        }
        path = Some(meta.value()?.call(Path::parse_mod_style)?);
        Ok(())
    })?;
    Ok(path)
}

/// The name in the file of a field or variant: that of `#[h5(rename = "name")]`, else its own.
pub fn name(ident: &Ident, attributes: &[Attribute]) -> Result<(String, Span)> {
    let mut name = (ident.unraw().to_string(), ident.span());
    each(attributes, |meta| {
        if !meta.path.is_ident("rename") {
            return Err(meta.error("unknown attribute: expected `rename = \"name in the file\"`"));
        }
        let text: LitStr = meta.value()?.parse()?;
        if text.value().is_empty() {
            return Err(Error::new(text.span(), "the name is empty"));
        }
        if text.value().contains('\0') {
            return Err(Error::new(text.span(), "a name in HDF5 ends at the first NUL"));
        }
        name = (text.value(), text.span());
        Ok(())
    })?;
    Ok(name)
}

fn each(attributes: &[Attribute], mut f: impl FnMut(ParseNestedMeta<'_>) -> Result<()>) -> Result<()> {
    attributes.iter().filter(|a| a.path().is_ident("h5")).try_for_each(|a| a.parse_nested_meta(&mut f))
}

/// The names of all members of a type, or every mistake in them.
pub fn names<'a>(items: impl Iterator<Item = (&'a Ident, &'a [Attribute])>) -> Result<Vec<String>> {
    let mut errors = Errors::default();
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    for (ident, attributes) in items {
        match name(ident, attributes) {
            Ok((name, span)) => {
                if !seen.insert(name.clone()) {
                    errors.push(Error::new(span, format!("two members have the name `{name}`")));
                }
                names.push(name);
            }
            Err(e) => errors.push(e),
        }
    }
    errors.finish()?;
    Ok(names)
}

/// Gathers errors, so that all of them are shown.
#[derive(Default)]
pub struct Errors(Option<Error>);

impl Errors {
    pub fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }
    pub fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
