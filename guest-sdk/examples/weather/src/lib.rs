//! Requests side by side, a secret, the log, and results of several kinds.

use mcpbox_sdk::{Content, Result, ToolResult, http, log, progress, secrets, task, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the forecasts come from.
const SERVICE: &str = "http://api.weather.example/v1/forecast";

/// The weather of one place.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Forecast {
    /// Name of the place.
    city: String,
    /// Temperature in degrees Celsius.
    celsius: f64,
}

/// Tells the weather of one place, now.
#[tool(title = "Weather", read_only, open_world)]
async fn forecast(
    /// Name of the place, for example Oslo.
    city: &str,
) -> Result<Forecast> {
    ask(city).await
}

/// Compares the weather of several places, asked for all at once.
#[tool(read_only, open_world)]
async fn compare(
    /// Names of the places.
    #[schemars(length(min = 1, max = 10))]
    cities: &[String],
) -> Result<ToolResult> {
    progress::report(0.0, Some(1.0), Some("asking for the forecasts"));
    let mut forecasts = Vec::new();
    for answer in task::join_all(cities.iter().map(|city| ask(city))).await {
        forecasts.push(answer?);
    }
    progress::report(1.0, Some(1.0), None);
    forecasts.sort_by(|one, other| other.celsius.total_cmp(&one.celsius));
    let lines: Vec<String> = forecasts.iter().map(|one| format!("{}: {} °C", one.city, one.celsius)).collect();
    Ok(ToolResult::new([Content::text(lines.join("\n")), Content::link(SERVICE, "the service")]))
}

async fn ask(city: &str) -> Result<Forecast> {
    let key = secrets::require("WEATHER_KEY")?;
    log::info!("asking for {city}");
    let answer = http::get(SERVICE).query("city", city).bearer(key).send().await?;
    let celsius = answer.error_for_status()?.json::<f64>()?;
    Ok(Forecast { city: city.to_owned(), celsius })
}

mcpbox_sdk::tools!(forecast, compare);

#[cfg(test)]
mod tests {
    use mcpbox_sdk::ToolError;
    use mcpbox_sdk::log::Level;
    use mcpbox_sdk::testing::{Host, response};
    use serde_json::json;

    use super::*;

    fn host() -> Host {
        Host::new().secret("WEATHER_KEY", "k").on_request(|request| match request.url.rsplit('=').next() {
            Some("Oslo") => Ok(response(200, "-3.5")),
            Some("New%20York") => Ok(response(200, "12")),
            _ => Ok(response(404, "no such place")),
        })
    }

    #[test]
    fn a_forecast_is_told() {
        let host = host();
        let result = host.call::<forecast>(json!({"city": "Oslo"})).expect("a result");
        assert_eq!(result.structured.as_deref(), Some(r#"{"celsius":-3.5,"city":"Oslo"}"#));
        assert_eq!(host.log(), [(Level::Info, "asking for Oslo".to_owned())]);
    }

    #[test]
    fn places_are_compared_the_warmest_first() {
        let host = host();
        let result = host.call::<compare>(json!({"cities": ["Oslo", "New York"]})).expect("a result");
        assert_eq!(result.content[0], Content::text("New York: 12 °C\nOslo: -3.5 °C"));
        assert_eq!((host.requests().len(), host.progress().len()), (2, 2));
    }

    #[test]
    fn what_went_wrong_is_told() {
        let words = "the server answered 404: no such place";
        assert_eq!(host().call::<forecast>(json!({"city": "Atlantis"})), Err(ToolError::Failed(words.into())));
        let words = "the secret WEATHER_KEY is not set; a person must set its value in MCPbox";
        assert_eq!(Host::new().call::<forecast>(json!({"city": "Oslo"})), Err(ToolError::Failed(words.into())));
    }
}
