//! `#[derive(H5Type)]` for the `h5` crate, which re-exports it: do not depend on this crate directly.

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Error, Path, Result, parse_quote, spanned::Spanned};

mod attributes;
mod enumeration;
mod structure;

/// Implements `h5::H5Type` for a struct with named fields or for an enum without fields.
///
/// # Structs
/// A struct is a compound. Its fields are matched with the members of the file **by name**: their order does not
/// matter and members without a field are passed over; a field without a member is an error of kind `Type` that names
/// it. `#[h5(rename = "name")]` gives the member another name than the field.
///
/// Where every field has a plain type (numbers, arrays of numbers, such structs), what is written has the memory layout
/// of the struct; otherwise the members follow each other without gaps.
///
/// # Enums
/// An enum without fields is an HDF5 enumeration over the integer that its `#[repr(...)]` names. Its variants are
/// matched with the members of the file by name too, so that the values in the file may be others. A value in the file
/// that no variant stands for is an error when it is met.
///
/// # Attributes
/// - `#[h5(rename = "name")]` on a field or a variant: its name in the file.
/// - `#[h5(crate = path::to::h5)]` on the type: where to find the `h5` crate, if not at `::h5`.
#[proc_macro_derive(H5Type, attributes(h5))]
pub fn derive_h5_type(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    syn::parse(input).and_then(|input| expand(&input)).unwrap_or_else(|e| e.into_compile_error()).into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        return Err(Error::new(
            input.generics.span(),
            "`H5Type` cannot be derived for a generic type: its layout in a file would differ from use to use",
        ));
    }
    let krate = attributes::krate(&input.attrs)?.unwrap_or_else(|| parse_quote!(::h5));
    let private: Path = parse_quote!(#krate::__private);
    match &input.data {
        Data::Struct(data) => structure::expand(input, data, &private),
        Data::Enum(data) => enumeration::expand(input, data, &private),
        Data::Union(data) => {
            Err(Error::new(data.union_token.span, "`H5Type` cannot be derived for a union: HDF5 has none"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message of the error that the derive gives.
    fn error(input: DeriveInput) -> String {
        match expand(&input) {
            Err(e) => e.into_iter().map(|e| e.to_string()).collect::<Vec<_>>().join("\n"),
            Ok(tokens) => panic!("expected an error, got {tokens}"),
        }
    }

    #[test]
    fn what_hdf5_cannot_hold_is_refused_with_the_reason() {
        let text = error(parse_quote!(
            struct Pair(i32, f64);
        ));
        assert!(text.contains("named fields"), "{text}");
        let text = error(parse_quote!(
            struct Nothing;
        ));
        assert!(text.contains("named fields"), "{text}");
        let text = error(parse_quote!(
            struct Empty {}
        ));
        assert!(text.contains("at least one field"), "{text}");
        let text = error(parse_quote!(
            struct Generic<T> {
                a: T,
            }
        ));
        assert!(text.contains("generic"), "{text}");
        let text = error(parse_quote!(
            union U {
                a: u8,
                b: i8,
            }
        ));
        assert!(text.contains("union"), "{text}");
    }

    #[test]
    fn an_enum_needs_a_fixed_integer_and_no_fields() {
        let text = error(parse_quote!(
            enum E {
                A,
            }
        ));
        assert!(text.contains("#[repr(u8)]"), "{text}");
        let text = error(parse_quote!(
            #[repr(usize)]
            enum E {
                A,
            }
        ));
        assert!(text.contains("`usize`"), "{text}");
        let text = error(parse_quote!(
            #[repr(u8)]
            enum E {
                A(i32),
                B { x: u8 },
            }
        ));
        assert_eq!(text.matches("without fields").count(), 2, "{text}");
        let text = error(parse_quote!(
            #[repr(u8)]
            enum E {}
        ));
        assert!(text.contains("at least one variant"), "{text}");
    }

    #[test]
    fn attributes_are_checked() {
        let text = error(parse_quote!(
            struct S {
                #[h5(name = "x")]
                a: i32,
            }
        ));
        assert!(text.contains("rename"), "{text}");
        let text = error(parse_quote!(
            struct S {
                #[h5(rename = "")]
                a: i32,
            }
        ));
        assert!(text.contains("empty"), "{text}");
        let text = error(parse_quote!(
            struct S {
                a: i32,
                #[h5(rename = "a")]
                b: i32,
            }
        ));
        assert!(text.contains("two members") && text.contains("`a`"), "{text}");
        let text = error(parse_quote!(
            #[h5(rename = "T")]
            struct S {
                a: i32,
            }
        ));
        assert!(text.contains("crate"), "{text}");
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let text = error(parse_quote!(
            struct S {
                #[h5(renam = "x")]
                a: i32,
                #[h5(rename = "")]
                b: i32,
            }
        ));
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}
