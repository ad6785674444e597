// The component `{{name}}`: one tool, `greet`. `make` builds it.
//
// tool.h and tool.c are bindings that `wit-bindgen c` wrote from MCPbox's contract; this file
// implements the two functions that a component exports.

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tool.h"

#define INPUT_SCHEMA                                                                                                   \
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"description\":\"Whom to greet.\"}},"        \
    "\"required\":[\"name\"],\"additionalProperties\":false}"

// What is answered is freed by the bindings, after the host has read it.
void exports_mcpbox_guest_tools_list_tools(exports_mcpbox_guest_tools_list_tool_t *listed) {
    exports_mcpbox_guest_tools_tool_t *tool = calloc(1, sizeof *tool);
    if (!tool) __builtin_trap();
    tool_string_dup(&tool->name, "greet");
    tool_string_dup(&tool->description, "Greets somebody by name.");
    tool_string_dup(&tool->input_schema, INPUT_SCHEMA);
    listed->ptr = tool;
    listed->len = 1;
}

bool exports_mcpbox_guest_tools_call_tool(tool_string_t *name, tool_string_t *arguments,
                                          exports_mcpbox_guest_tools_tool_result_t *result,
                                          exports_mcpbox_guest_tools_tool_error_t *error) {
    (void)name; // there is one tool
    char *whom = json_string_member((const char *)arguments->ptr, arguments->len, "name");
    if (!whom) {
        error->tag = EXPORTS_MCPBOX_GUEST_TOOLS_TOOL_ERROR_INVALID_ARGUMENTS;
        tool_string_dup(&error->val.invalid_arguments, "`name` is missing");
        return false;
    }
    mcpbox_guest_types_content_t *content = calloc(1, sizeof *content);
    char *greeting = malloc(strlen(whom) + sizeof "Hello, !");
    if (!content || !greeting) __builtin_trap();
    strcpy(greeting, "Hello, ");
    strcat(strcat(greeting, whom), "!");
    content->tag = MCPBOX_GUEST_TYPES_CONTENT_TEXT;
    tool_string_set(&content->val.text.text, greeting);
    result->content.ptr = content;
    result->content.len = 1;
    result->structured.is_some = false;
    free(whom);
    return true;
}
