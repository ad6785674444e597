//! What the exports of a component do: list its tools, call one, and tell of a panic.

use crate::content::ToolResult;
use crate::error::ToolError;
use crate::icon::Icon;

pub use crate::bindings::exports::mcpbox::guest::tools::{Guest, Tool as Description, ToolAnnotations};

/// A tool of a component; `#[tool]` implements it.
pub trait Tool {
    /// 1 to 64 of `A-Z a-z 0-9 _ -`.
    const NAME: &'static str;

    /// Whether it has icons.
    const HAS_ICONS: bool = false;

    /// Name, description, schemas.
    fn describe() -> Description;

    /// Pictures of it.
    fn icons() -> Vec<Icon> {
        Vec::new()
    }

    /// Runs it. `arguments` is a JSON object.
    ///
    /// # Errors
    /// When the arguments do not fit or the tool fails.
    fn call(arguments: &str) -> Result<ToolResult, ToolError>;
}

/// A tool without its type, for the table that [`tools!`](crate::tools) makes.
#[derive(Clone, Copy)]
pub struct Entry {
    name: &'static str,
    describe: fn() -> Description,
    call: fn(&str) -> Result<ToolResult, ToolError>,
}

impl Entry {
    pub const fn of<T: Tool>() -> Self {
        Self { name: T::NAME, describe: T::describe, call: T::call }
    }
}

/// Answers the contract's `list-tools`.
pub fn list(tools: &[Entry]) -> Vec<Description> {
    tell_of_panics();
    tools.iter().map(|tool| (tool.describe)()).collect()
}

/// Answers the contract's `call-tool`.
///
/// # Errors
/// When there is no such tool, the arguments do not fit, or the tool fails.
pub fn call(tools: &[Entry], name: &str, arguments: &str) -> Result<ToolResult, ToolError> {
    tell_of_panics();
    match tools.iter().find(|tool| tool.name == name) {
        Some(tool) => (tool.call)(arguments),
        None => Err(ToolError::UnknownTool),
    }
}

/// A panic of a component is a trap, which has no words. The hook runs before it and logs them; the
/// host knows the line by its beginning and tells it to the caller in place of the bare trap.
pub(crate) fn tell_of_panics() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        crate::log::emit(crate::log::Level::Error, &format!("panicked at {place}: {text}"));
    }));
}

/// Makes the component: exports these tools.
///
/// Stands once in the crate, after the functions or before; a tool of another module is named by its
/// path.
///
/// ```
/// mod text {
///     /// Says how many characters a text has.
///     #[mcpbox_sdk::tool]
///     pub fn length(text: String) -> usize {
///         text.chars().count()
///     }
/// }
/// mcpbox_sdk::tools!(text::length);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! tools {
    ($($tool:path),+ $(,)?) => {
        $crate::component! { tools: [$($tool),+] }
    };
}

/// Makes a component that has more than tools: prompts, resources, [skills](crate::skill!), suggestions for
/// arguments, icons. What is not named here does not appear in it; the order is this one.
///
/// ```
/// use mcpbox_sdk::{completion, prompt, resource, tool};
///
/// /// Adds a note.
/// #[tool(icon = "https://notes.example/add.png")]
/// fn add(text: String) {
///     drop(text);
/// }
///
/// /// Asks for a summary of a day's notes.
/// #[prompt]
/// fn summary(
///     /// Such as `monday`.
///     day: &str,
/// ) -> String {
///     format!("Sum up my notes of {day}.")
/// }
///
/// /// The notes of a day.
/// #[resource("notes://{day}", mime_type = "text/plain")]
/// fn notes(day: &str) -> Option<String> {
///     (day == "monday").then(|| "Buy tea.".to_owned())
/// }
///
/// #[completion(prompt = "summary", argument = "day")]
/// fn days(value: &str) -> Vec<&'static str> {
///     ["monday", "tuesday"].into_iter().filter(|day| day.starts_with(value)).collect()
/// }
///
/// mcpbox_sdk::component! {
///     tools: [add],
///     prompts: [summary],
///     resources: [notes],
///     completions: [days],
///     icons: all,
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! component {
    (
        tools: [$($tool:path),+ $(,)?]
        $(, prompts: [$($prompt:path),+ $(,)?])?
        $(, resources: [$($resource:path),+ $(,)?])?
        $(, skills: [$($skill:path),+ $(,)?])?
        $(, completions: [$($completion:path),+ $(,)?])?
        $(, icons: $icons:ident)?
        $(,)?
    ) => {
        const _: () = {
            #[allow(dead_code)]
            struct Component;

            const TOOLS: &[$crate::__private::Entry] = &[$($crate::__private::Entry::of::<$tool>()),+];

            impl $crate::__private::Guest for Component {
                fn list_tools() -> ::std::vec::Vec<$crate::Description> {
                    $crate::__private::list(TOOLS)
                }

                fn call_tool(
                    name: ::std::string::String,
                    arguments: ::std::string::String,
                ) -> ::core::result::Result<$crate::ToolResult, $crate::ToolError> {
                    $crate::__private::call(TOOLS, &name, &arguments)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::__private::export_component!(Component with_types_in $crate::bindings);

            // Elsewhere nobody asks for the tools; they are no dead code for that.
            let _ = TOOLS;

            $($crate::__prompts! { Component $($prompt)+ })?
            $crate::__resources! { Component [$($($resource)+)?] [$($($skill)+)?] }
            $($crate::__skills! { Component $($skill)+ })?
            $($crate::__completions! { Component $($completion)+ })?

            const HAVE_ICONS: bool = false $(|| <$tool as $crate::Tool>::HAS_ICONS)+
                $($(|| <$prompt as $crate::Prompt>::HAS_ICONS)+)?
                $($(|| <$resource as $crate::Resource>::HAS_ICONS)+)?;
            const ICONS: &[$crate::__private::Icons] = &[
                $($crate::__private::Icons::of_tool::<$tool>(),)+
                $($($crate::__private::Icons::of_prompt::<$prompt>(),)+)?
                $($($crate::__private::Icons::of_resource::<$resource>(),)+)?
            ];
            let _ = ICONS;
            let shown = false $(|| $crate::__icons!($icons Component ICONS))?;
            assert!(shown || !HAVE_ICONS, "something here has an icon: end the component with `icons: all`");
        };
    };
}

/// The part of [`component!`](crate::component) for prompts.
#[doc(hidden)]
#[macro_export]
macro_rules! __prompts {
    ($component:ident $($prompt:path)+) => {
        const PROMPTS: &[$crate::__private::prompt::Entry] =
            &[$($crate::__private::prompt::Entry::of::<$prompt>()),+];

        impl $crate::__private::prompt::Guest for $component {
            fn list_prompts() -> ::std::vec::Vec<$crate::PromptDescription> {
                $crate::__private::prompt::list(PROMPTS)
            }

            fn get_prompt(
                name: ::std::string::String,
                arguments: ::std::vec::Vec<(::std::string::String, ::std::string::String)>,
            ) -> ::core::result::Result<$crate::PromptResult, $crate::PromptError> {
                $crate::__private::prompt::get(PROMPTS, &name, arguments)
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::__private::export_prompts!($component with_types_in $crate::optional::prompts);
        let _ = PROMPTS;
    };
}

/// The part of [`component!`](crate::component) for resources, which the files of skills are too.
#[doc(hidden)]
#[macro_export]
macro_rules! __resources {
    ($component:ident [] []) => {};
    ($component:ident [$($resource:path)*] [$($skill:path)*]) => {
        const RESOURCES: &[$crate::__private::resource::Entry] =
            &[$($crate::__private::resource::Entry::of::<$resource>()),*];
        const FILES: &[$crate::__private::skill::Entry] = &[$($crate::__private::skill::Entry::of::<$skill>()),*];

        impl $crate::__private::resource::Guest for $component {
            fn list_resources() -> ::std::vec::Vec<$crate::__private::resource::Listed> {
                $crate::__private::resource::list(RESOURCES)
            }

            fn list_templates() -> ::std::vec::Vec<$crate::__private::resource::Template> {
                $crate::__private::resource::templates(RESOURCES)
            }

            fn read_resource(
                uri: ::std::string::String,
            ) -> ::core::result::Result<::std::vec::Vec<$crate::Contents>, $crate::__private::resource::ReadError> {
                match $crate::__private::skill::read(FILES, &uri) {
                    Some(file) => Ok(::std::vec![file]),
                    None => $crate::__private::resource::read(RESOURCES, &uri),
                }
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::__private::export_resources!($component with_types_in $crate::optional::resources);
        let _ = (RESOURCES, FILES);
    };
}

/// The part of [`component!`](crate::component) for skills.
#[doc(hidden)]
#[macro_export]
macro_rules! __skills {
    ($component:ident $($skill:path)+) => {
        const SKILLS: &[$crate::__private::skill::Entry] = &[$($crate::__private::skill::Entry::of::<$skill>()),+];

        impl $crate::__private::skill::Guest for $component {
            fn list_skills() -> ::std::vec::Vec<$crate::__private::skill::Listed> {
                $crate::__private::skill::list(SKILLS)
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::__private::export_skills!($component with_types_in $crate::optional::skills);
        let _ = SKILLS;
    };
}

/// The part of [`component!`](crate::component) for suggestions.
#[doc(hidden)]
#[macro_export]
macro_rules! __completions {
    ($component:ident $($completion:path)+) => {
        const COMPLETIONS: &[$crate::__private::completion::Entry] =
            &[$($crate::__private::completion::Entry::of::<$completion>()),+];

        impl $crate::__private::completion::Guest for $component {
            fn complete(
                reference: $crate::__private::completion::Reference,
                name: ::std::string::String,
                value: ::std::string::String,
                others: ::std::vec::Vec<(::std::string::String, ::std::string::String)>,
            ) -> $crate::Suggestions {
                $crate::__private::completion::complete(COMPLETIONS, &reference, &name, &value, &others)
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::__private::export_completion!($component with_types_in $crate::optional::completion);
        let _ = COMPLETIONS;
    };
}

/// The part of [`component!`](crate::component) for icons.
#[doc(hidden)]
#[macro_export]
macro_rules! __icons {
    (all $component:ident $icons:ident) => {{
        impl $crate::__private::icon::Guest for $component {
            fn list_icons() -> ::std::vec::Vec<$crate::__private::icon::Shown> {
                $crate::__private::icon::list($icons)
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::__private::export_icons!($component with_types_in $crate::optional::icons);
        true
    }};
}
