//! Lists come in pages.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Ref, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::error::Error;
use crate::db;
use crate::limits::Limits;

/// Which page; pages count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PageRequest {
    pub page: Option<u64>,
    pub page_size: Option<u64>,
}

/// Rows on a page when the caller does not say.
const PAGE_SIZE: u64 = 50;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub total: u64,
    pub page: u64,
    pub page_size: u64,
    pub pages: u64,
}

impl PageRequest {
    /// The page and its size, checked.
    ///
    /// # Errors
    /// When either is 0 or no 64-bit number with a sign; a size over the limit is cut to it.
    pub fn checked(self, page_size_max: u64) -> Result<(u64, u64), Error> {
        let page = self.page.unwrap_or(1);
        let page_size = self.page_size.unwrap_or(PAGE_SIZE.min(page_size_max));
        if page == 0 {
            return Err(Error::invalid("/page", "pages count from 1"));
        }
        for (pointer, number) in [("/page", page), ("/page_size", page_size)] {
            if i64::try_from(number).is_err() {
                return Err(Error::invalid(pointer, format!("give 1 to {}", i64::MAX)));
            }
        }
        if page_size == 0 {
            return Err(Error::invalid("/page_size", format!("give 1 to {page_size_max}")));
        }
        Ok((page, page_size.min(page_size_max)))
    }

    /// The page of rows that this asks for.
    ///
    /// # Errors
    /// As [`checked`](Self::checked).
    pub(super) fn of_rows(self, limits: &Limits) -> Result<db::PageRequest, Error> {
        let (page, page_size) = self.checked(limits.page_size_max)?;
        Ok(db::PageRequest::new(page, page_size, limits.page_size_max))
    }
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0));
        ObjectBuilder::new()
            .property("items", ArrayBuilder::new().items(Ref::from_schema_name(T::name())))
            .property("total", number().description(Some("Of all pages.")))
            .property("page", number().description(Some("From 1.")))
            .property("page_size", number())
            .property("pages", number())
            .required("items")
            .required("total")
            .required("page")
            .required("page_size")
            .required("pages")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Page", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T> Page<T> {
    pub fn new(items: Vec<T>, total: u64, page: u64, page_size: u64) -> Self {
        Self { items, total, page, page_size, pages: total.div_ceil(page_size.max(1)) }
    }

    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(each).collect(),
            total: self.total,
            page: self.page,
            page_size: self.page_size,
            pages: self.pages,
        }
    }

    /// The same page with other items.
    ///
    /// # Errors
    /// The first one of `each`.
    pub(super) fn try_map<U>(self, each: impl FnMut(T) -> Result<U, Error>) -> Result<Page<U>, Error> {
        let items: Result<Vec<U>, Error> = self.items.into_iter().map(each).collect();
        Ok(Page { items: items?, total: self.total, page: self.page, page_size: self.page_size, pages: self.pages })
    }
}

impl<T> From<db::Page<T>> for Page<T> {
    fn from(page: db::Page<T>) -> Self {
        Self::new(page.items, page.total, page.page, page.page_size)
    }
}
