//! Lists come in pages.

use sea_orm::{ConnectionTrait, PaginatorTrait, SelectorTrait};

use super::error::{DbError, Doing};

/// Which page: `page` counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    page: u64,
    page_size: u64,
}

impl PageRequest {
    /// The nearest page that there can be: `page` at least 1, `page_size` from 1 to `max`.
    pub fn new(page: u64, page_size: u64, max: u64) -> Self {
        let page_size = page_size.clamp(1, max.max(1));
        // Both databases count rows in 64 bits with a sign.
        Self { page: page.clamp(1, i64::MAX as u64 / page_size), page_size }
    }
}

impl PageRequest {
    pub(super) fn offset(&self) -> u64 {
        (self.page - 1) * self.page_size
    }

    pub(super) fn size(&self) -> u64 {
        self.page_size
    }

    /// The page, when its rows and their number were read apart.
    pub(super) fn of<T>(&self, items: Vec<T>, total: u64) -> Page<T> {
        Page { items, total, page: self.page, page_size: self.page_size }
    }
}

/// Loads a page of what `query` selects. The order must be a total one, or rows would wander between
/// pages.
pub(super) async fn load<'db, C, Q>(
    query: Q,
    on: &'db C,
    request: &PageRequest,
    doing: &'static str,
) -> Result<Page<<Q::Selector as SelectorTrait>::Item>, DbError>
where
    C: ConnectionTrait,
    Q: PaginatorTrait<'db, C>,
{
    let &PageRequest { page, page_size } = request;
    let rows = query.paginate(on, page_size);
    let total = rows.num_items().await.doing(doing)?;
    let items = rows.fetch_page(page - 1).await.doing(doing)?;
    Ok(Page { items, total, page, page_size })
}

/// Some rows of a list, and how many it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Rows on all pages.
    pub total: u64,
    /// From 1.
    pub page: u64,
    pub page_size: u64,
}

impl<T> Page<T> {
    /// The same page with other items.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        let Self { items, total, page, page_size } = self;
        Page { items: items.into_iter().map(convert).collect(), total, page, page_size }
    }

    /// How many pages there are.
    pub fn pages(&self) -> u64 {
        self.total.div_ceil(self.page_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_moved_to_the_nearest_page_that_there_can_be() {
        for ((page, page_size, max), expected) in [
            ((0, 0, 100), (1, 1)),
            ((3, 50, 100), (3, 50)),
            ((1, 1_000, 100), (1, 100)),
            ((u64::MAX, 100, 100), (i64::MAX as u64 / 100, 100)),
            ((1, 5, 0), (1, 1)),
        ] {
            let request = PageRequest::new(page, page_size, max);
            assert_eq!((request.page, request.page_size), expected);
        }
    }

    #[test]
    fn the_last_page_may_be_short() {
        let page = Page { items: vec![1], total: 7, page: 3, page_size: 3 };
        assert_eq!((page.pages(), page.map(|n| n + 1).items), (3, vec![2]));
    }
}
