//! A struct with named fields: a compound.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{DataStruct, DeriveInput, Error, Fields, Ident, Path, Result, Type, spanned::Spanned};

use crate::attributes;

pub fn expand(input: &DeriveInput, data: &DataStruct, private: &Path) -> Result<TokenStream> {
    let fields = match &data.fields {
        Fields::Named(fields) if fields.named.is_empty() => {
            return Err(Error::new(fields.span(), "an HDF5 compound has at least one field"));
        }
        Fields::Named(fields) => &fields.named,
        Fields::Unnamed(_) | Fields::Unit => {
            return Err(Error::new(
                input.ident.span(),
                "`H5Type` can only be derived for a struct with named fields: \
                 the members of an HDF5 compound have names",
            ));
        }
    };
    let names = attributes::names(fields.iter().filter_map(|f| Some((f.ident.as_ref()?, &f.attrs[..]))))?;
    let idents: Vec<&Ident> = fields.iter().filter_map(|f| f.ident.as_ref()).collect();
    let types: Vec<&Type> = fields.iter().map(|f| &f.ty).collect();
    let packed = attributes::reprs(&input.attrs)?.iter().any(|r| r == "packed");

    // With the span of the field's type, so that "is not an H5Type" points to it.
    let item = |name: &str| -> Vec<TokenStream> {
        let respan = |ty: &&Type| {
            let (span, name) = (ty.span(), Ident::new(name, ty.span()));
            let private = spanned_tokens(private, span);
            quote_spanned!(span=> <#ty as #private::H5Type>::#name)
        };
        types.iter().map(respan).collect()
    };
    let (pods, plans, datatypes) = (item("POD"), item("Plan"), item("datatype"));
    let slots: Vec<Ident> = (0..idents.len()).map(|i| format_ident!("slot{i}")).collect();
    let values = idents.iter().map(|ident| {
        // A field of a packed struct cannot be borrowed; what is packed is Copy.
        if packed { quote!(&{ self.#ident }) } else { quote!(&self.#ident) }
    });
    let indices = 0..idents.len();
    let count = idents.len();
    let ident = &input.ident;

    Ok(quote! {
        const _: () = {
            #[doc(hidden)]
            #[derive(::core::clone::Clone)]
            pub struct Plan {
                #(#slots: #private::Slot<#plans>,)*
            }

            fn places() -> &'static [#private::Place; #count] {
                static PLACES: ::std::sync::OnceLock<[#private::Place; #count]> = ::std::sync::OnceLock::new();
                PLACES.get_or_init(|| {
                    let sizes = [#(#datatypes().size),*];
                    if <#ident as #private::H5Type>::POD {
                        #private::places_in_memory([#(::core::mem::offset_of!(#ident, #idents)),*], sizes)
                    } else {
                        #private::places_in_sequence(sizes)
                    }
                })
            }

            // SAFETY: `POD` holds only if it holds for all fields; `datatype` then gives their offsets in memory.
            #[automatically_derived]
            unsafe impl #private::H5Type for #ident {
                const POD: bool = true #(&& #pods)*;
                type Plan = Plan;

                fn datatype() -> #private::Datatype {
                    #private::compound(
                        if <Self as #private::H5Type>::POD {
                            ::core::option::Option::Some(::core::mem::size_of::<Self>())
                        } else {
                            ::core::option::Option::None
                        },
                        places(),
                        [#((#names, #datatypes())),*],
                    )
                }
                fn plan(file: &#private::Datatype) -> #private::Result<Plan> {
                    ::core::result::Result::Ok(Plan {
                        #(#slots: #private::Slot::of_member::<#types>(file, #names)?,)*
                    })
                }
                #[inline]
                fn decode(
                    plan: &Plan,
                    bytes: &[::core::primitive::u8],
                    heap: &dyn #private::HeapRead,
                ) -> #private::Result<Self> {
                    ::core::result::Result::Ok(Self {
                        #(#idents: plan.#slots.decode::<#types>(bytes, heap)?,)*
                    })
                }
                fn encode(
                    &self,
                    out: &mut [::core::primitive::u8],
                    heap: &mut dyn #private::HeapWrite,
                ) -> #private::Result<()> {
                    let places = places();
                    #(#private::encode_at(#values, places[#indices], out, heap)?;)*
                    ::core::result::Result::Ok(())
                }
            }
        };
    })
}

/// The tokens of a path, all with this span.
fn spanned_tokens(path: &Path, span: Span) -> TokenStream {
    let respan = |mut token: proc_macro2::TokenTree| {
        token.set_span(span);
        token
    };
    path.to_token_stream().into_iter().map(respan).collect()
}
