//! An enum without fields: an enumeration over the integer of its `#[repr]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Error, Fields, Ident, Path, Result, spanned::Spanned};

use crate::attributes::{self, Errors};

const INTEGERS: [&str; 8] = ["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64"];

pub fn expand(input: &DeriveInput, data: &DataEnum, private: &Path) -> Result<TokenStream> {
    if data.variants.is_empty() {
        return Err(Error::new(input.ident.span(), "an HDF5 enumeration has at least one variant"));
    }
    let mut errors = Errors::default();
    for variant in data.variants.iter().filter(|v| !matches!(v.fields, Fields::Unit)) {
        errors.push(Error::new(
            variant.fields.span(),
            "`H5Type` can only be derived for an enum without fields: \
             the members of an HDF5 enumeration are names of integers",
        ));
    }
    errors.finish()?;
    let base = base(input)?;
    let names = attributes::names(data.variants.iter().map(|v| (&v.ident, &v.attrs[..])))?;
    let variants: Vec<&Ident> = data.variants.iter().map(|v| &v.ident).collect();
    let indices = 0..variants.len() - 1;
    let (last, first) = match variants.split_last() {
        Some(parts) => parts,
        None => return Err(Error::new(input.ident.span(), "no variants")),
    };
    let ident = &input.ident;

    Ok(quote! {
        // SAFETY: `POD` is false.
        #[automatically_derived]
        unsafe impl #private::H5Type for #ident {
            const POD: bool = false;
            type Plan = #private::EnumPlan;

            fn datatype() -> #private::Datatype {
                #private::enumeration(
                    <::core::primitive::#base as #private::H5Type>::datatype(),
                    [#((#names, ::core::primitive::#base::to_ne_bytes(Self::#variants as ::core::primitive::#base))),*],
                )
            }
            fn plan(file: &#private::Datatype) -> #private::Result<#private::EnumPlan> {
                #private::EnumPlan::new(file, ::core::stringify!(#ident), &[#(#names),*])
            }
            #[inline]
            fn decode(
                plan: &#private::EnumPlan,
                bytes: &[::core::primitive::u8],
                _: &dyn #private::HeapRead,
            ) -> #private::Result<Self> {
                ::core::result::Result::Ok(match plan.variant(bytes)? {
                    #(#indices => Self::#first,)*
                    _ => Self::#last,
                })
            }
            fn encode(
                &self,
                out: &mut [::core::primitive::u8],
                heap: &mut dyn #private::HeapWrite,
            ) -> #private::Result<()> {
                let value = match self {
                    #(Self::#variants => Self::#variants as ::core::primitive::#base,)*
                };
                #private::H5Type::encode(&value, out, heap)
            }
        }
    })
}

/// The integer type that `#[repr]` names.
fn base(input: &DeriveInput) -> Result<Ident> {
    for name in attributes::reprs(&input.attrs)? {
        if INTEGERS.iter().any(|i| name == i) {
            return Ok(name);
        }
        if name != "C" {
            return Err(Error::new(
                name.span(),
                format!(
                    "HDF5 has no integer like `{name}` in every file: use one of {}",
                    INTEGERS.join(", ")
                ),
            ));
        }
    }
    Err(Error::new(
        input.ident.span(),
        "which integer stands for a variant in the file? Add `#[repr(u8)]`, or a larger one",
    ))
}
