//! What the scenarios of the official MCP conformance suite ask a server for. Names and texts are the suite's.

mod asking;
mod content;
mod prompts;
mod resources;
mod schema;
mod skills;
mod tasks;

mcpbox_sdk::component! {
    tools: [
        content::test_simple_text,
        content::test_image_content,
        content::test_audio_content,
        content::test_embedded_resource,
        content::test_multiple_content_types,
        content::test_tool_with_logging,
        content::test_logging_tool,
        content::test_error_handling,
        content::test_tool_with_progress,
        content::test_reconnection,
        content::test_trigger_tool_change,
        content::test_trigger_prompt_change,
        schema::json_schema_2020_12_tool,
        schema::test_custom_header,
        asking::test_sampling,
        asking::test_elicitation,
        asking::test_elicitation_sep1034_defaults,
        asking::test_elicitation_sep1330_enums,
        asking::test_missing_capability,
        asking::test_streaming_elicitation,
        asking::test_input_required_result_elicitation,
        asking::test_input_required_result_sampling,
        asking::test_input_required_result_list_roots,
        asking::test_input_required_result_request_state,
        asking::test_input_required_result_tampered_state,
        asking::test_input_required_result_multiple_inputs,
        asking::test_input_required_result_multi_round,
        asking::test_input_required_result_capabilities,
        tasks::greet,
        tasks::slow_compute,
        tasks::failing_job,
        tasks::protocol_error_job,
        tasks::confirm_delete,
        tasks::multi_input,
        tasks::test_tool_with_task,
    ],
    prompts: [
        prompts::test_simple_prompt,
        prompts::test_prompt_with_arguments,
        prompts::test_prompt_with_embedded_resource,
        prompts::test_prompt_with_image,
        prompts::test_input_required_result_prompt,
    ],
    resources: [
        resources::static_text,
        resources::static_binary,
        resources::watched_resource,
        resources::template_data,
    ],
    skills: [skills::code_review, skills::weekly],
    completions: [prompts::arg1],
    icons: all,
}
