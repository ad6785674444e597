//! Finding tools by words, for models whose list does not show them all; and what a list costs its reader.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::catalogue::{Catalogue, ListedTool};
use super::permission::people_only;
use super::{Error, Page, PageRequest, Service};
use crate::domain::caller::Caller;
use crate::domain::ids::ServerId;

/// Words of a query that count.
const WORDS: usize = 16;
/// Bytes for which a model pays a token: the rule of thumb by which lists are measured here.
pub const BYTES_PER_TOKEN: u64 = 4;

/// Tools that fit a query, the best first.
#[derive(Debug)]
pub struct FoundTools {
    pub tools: Vec<Arc<ListedTool>>,
    /// How many fit in all.
    pub total: usize,
}

/// What the list of tools costs a model that reads it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CatalogueView {
    /// Tools that clients are offered.
    pub tools: u64,
    /// Names, titles, descriptions and schemas of all of them, as clients get them.
    pub size_bytes: u64,
    /// An estimate: a token for each four bytes.
    pub tokens: u64,
    /// Tools that nobody is offered, because their schemas cannot be used.
    pub quarantined: u64,
    /// More tools than this, and clients are shown two to find and call them in place of the list.
    pub listed_at_most: u64,
}

/// The same of one running server.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CatalogueServer)]
pub struct ServerCostView {
    pub server_id: ServerId,
    pub name: String,
    pub tools: u64,
    pub size_bytes: u64,
    pub tokens: u64,
    pub quarantined: Vec<QuarantinedView>,
}

/// A tool that nobody is offered.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = QuarantinedTool)]
pub struct QuarantinedView {
    /// The name by which clients would call it.
    pub name: String,
    pub reason: String,
}

impl Service {
    /// The tools that fit some words, of those that this caller is shown.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a query without words.
    pub async fn tool_search(&self, caller: &Caller, query: &str, most: usize) -> Result<FoundTools, Error> {
        let words: Vec<String> = words(query).take(WORDS).collect();
        if words.is_empty() {
            return Err(Error::invalid("/query", "give some words of what the tool is for"));
        }
        let catalogue = self.catalogue(caller).await?;
        let mut found: Vec<(u32, &Arc<ListedTool>)> =
            catalogue.tools.iter().map(|tool| (score(tool, &words), tool)).filter(|(score, _)| *score > 0).collect();
        found.sort_by(|(one, a), (other, b)| other.cmp(one).then_with(|| a.name.cmp(&b.name)));
        let total = found.len();
        Ok(FoundTools { tools: found.into_iter().take(most).map(|(_, tool)| Arc::clone(tool)).collect(), total })
    }

    /// What the list of tools costs, in all.
    ///
    /// # Errors
    /// [`Error::Forbidden`] but for people.
    pub async fn catalogue_cost(&self, caller: &Caller) -> Result<CatalogueView, Error> {
        people_only(caller, "see what the list of tools costs")?;
        let catalogue = self.catalogue(caller).await?;
        let size_bytes = catalogue.tools.iter().map(|tool| tool.size_bytes()).sum();
        Ok(CatalogueView {
            tools: catalogue.tools.len() as u64,
            size_bytes,
            tokens: tokens(size_bytes),
            quarantined: catalogue.quarantined.len() as u64,
            listed_at_most: self.limits().tools_listed,
        })
    }

    /// The same of each running server, by name.
    ///
    /// # Errors
    /// [`Error::Forbidden`] but for people.
    pub async fn catalogue_servers(&self, caller: &Caller, page: PageRequest) -> Result<Page<ServerCostView>, Error> {
        people_only(caller, "see what the list of tools costs")?;
        let (page, page_size) = page.checked(self.limits().page_size_max)?;
        let catalogue = self.catalogue(caller).await?;
        let first = usize::try_from((page - 1).saturating_mul(page_size)).unwrap_or(usize::MAX);
        let size = usize::try_from(page_size).unwrap_or(usize::MAX);
        let items = catalogue.servers.iter().skip(first).take(size);
        let items = items.map(|server| cost(&catalogue, server.id, server.name.to_string())).collect();
        Ok(Page::new(items, catalogue.servers.len() as u64, page, page_size))
    }
}

/// What bytes cost a model, as an estimate.
pub(super) fn tokens(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(BYTES_PER_TOKEN)
}

fn cost(catalogue: &Catalogue, server: ServerId, name: String) -> ServerCostView {
    let of_it = || catalogue.tools.iter().filter(|tool| tool.server == server);
    let size_bytes = of_it().map(|tool| tool.size_bytes()).sum();
    let quarantined = catalogue.quarantined.iter().filter(|tool| tool.server == server);
    ServerCostView {
        server_id: server,
        name,
        tools: of_it().count() as u64,
        size_bytes,
        tokens: tokens(size_bytes),
        quarantined: quarantined
            .map(|tool| QuarantinedView { name: tool.name.clone(), reason: tool.reason.clone() })
            .collect(),
    }
}

/// Letters and digits that stand together, in lower case.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// How well a tool fits; 0: not at all. A word in a name counts more than one in a text, a whole word more than
/// the beginning of one, and a tool that has all the words more than one that has some of them often.
fn score(tool: &ListedTool, query: &[String]) -> u32 {
    let fields =
        [(tool.name.as_str(), 8), (tool.title.as_deref().unwrap_or_default(), 5), (tool.description.as_str(), 2)];
    let mut best = vec![0_u32; query.len()];
    for (text, weight) in fields {
        for word in words(text) {
            for (best, asked) in best.iter_mut().zip(query) {
                let begins = |one: &str, other: &str| other.len() >= 3 && one.starts_with(other);
                let fit = if word == *asked {
                    weight * 2
                } else if begins(&word, asked) || begins(asked, &word) {
                    weight
                } else {
                    0
                };
                *best = (*best).max(fit);
            }
        }
    }
    let hit = best.iter().filter(|score| **score > 0).count();
    let all = if hit == query.len() { 10 } else { 0 };
    best.iter().sum::<u32>() + u32::try_from(hit).unwrap_or(0) * all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::catalogue::testing::listed;

    #[test]
    fn the_best_fit_has_all_the_words_and_has_them_in_its_name() {
        let query: Vec<String> = words("weather forecast").collect();
        let score = |name: &str, description: &str| score(&listed(name, description), &query);
        let named = score("weather__forecast", "Tells it.");
        let described = score("sky__tell", "The weather: a forecast for tomorrow.");
        let half = score("weather__history", "Weather, weather, weather.");
        let begun = score("sky__forecasts", "");
        assert!(named > described && described > half && half > begun && begun > 0);
        assert_eq!(score("mail__send", "Sends mail."), 0);
    }

    #[test]
    fn words_are_what_letters_and_digits_make() {
        assert_eq!(
            words("Get-THE_weather2, für  Zürich!").collect::<Vec<_>>(),
            ["get", "the", "weather2", "für", "zürich"]
        );
        assert_eq!(words(" -_! ").count(), 0);
    }
}
