// A component in C: one tool, `count`, which counts what a text is made of.
//
// tool.h and tool.c are bindings that `wit-bindgen c` wrote from the contract; this file implements
// the two functions that a component exports.

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tool.h"

#define INPUT_SCHEMA                                                                                                   \
    "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\",\"description\":\"The text to look at.\"}},"  \
    "\"required\":[\"text\"],\"additionalProperties\":false}"
#define OUTPUT_SCHEMA                                                                                                  \
    "{\"type\":\"object\",\"properties\":{\"characters\":{\"type\":\"integer\"},\"words\":{\"type\":\"integer\"},"    \
    "\"lines\":{\"type\":\"integer\"}},\"required\":[\"characters\",\"words\",\"lines\"]}"

#define TEXT_OF(x) #x
#define LINE_TEXT(line) TEXT_OF(line)
// Ends the call. The host tells the caller this line in place of the bare trap that follows.
#define PANIC(message) panic("panicked at " __FILE__ ":" LINE_TEXT(__LINE__) ": " message)

static _Noreturn void panic(const char *message) {
    tool_string_t said;
    tool_string_set(&said, message);
    mcpbox_guest_log_emit(MCPBOX_GUEST_TYPES_LOG_LEVEL_ERROR, &said);
    __builtin_trap();
}

// Memory that the host frees, by the bindings, after it has read the result.
static void *allocated(size_t size) {
    void *memory = calloc(1, size);
    if (!memory) PANIC("out of memory");
    return memory;
}

void exports_mcpbox_guest_tools_list_tools(exports_mcpbox_guest_tools_list_tool_t *listed) {
    exports_mcpbox_guest_tools_tool_t *tool = allocated(sizeof *tool);
    tool_string_dup(&tool->name, "count");
    tool_string_dup(&tool->description, "Counts the characters, words and lines of a text.");
    tool_string_dup(&tool->input_schema, INPUT_SCHEMA);
    tool->output_schema.is_some = true;
    tool_string_dup(&tool->output_schema.val, OUTPUT_SCHEMA);
    tool->annotations.is_some = true;
    tool->annotations.val.read_only = (tool_option_bool_t){.is_some = true, .val = true};
    listed->ptr = tool;
    listed->len = 1;
}

// Appends a text; `printf` would bring the whole of stdio, and with it imports of WASI.
static char *put_text(char *out, const char *text) {
    size_t length = strlen(text);
    memcpy(out, text, length + 1);
    return out + length;
}

static char *put_number(char *out, size_t number) {
    char digits[24];
    char *at = digits + sizeof digits - 1;
    *at = 0;
    do *--at = (char)('0' + number % 10);
    while (number /= 10);
    return put_text(out, at);
}

// The JSON of what is counted; at most 128 bytes.
static void count(const char *text, char *answer) {
    size_t characters = 0, words = 0, lines = *text ? 1 : 0;
    bool in_word = false;
    for (const char *at = text; *at; at++) {
        bool is_space = strchr(" \t\r\n", *at) != NULL;
        characters += (*at & 0xc0) != 0x80; // not the second or later byte of a character in UTF-8
        words += !is_space && !in_word;
        lines += *at == '\n' && at[1];
        in_word = !is_space;
    }
    answer = put_number(put_text(answer, "{\"characters\":"), characters);
    answer = put_number(put_text(answer, ",\"words\":"), words);
    answer = put_number(put_text(answer, ",\"lines\":"), lines);
    put_text(answer, "}");
}

bool exports_mcpbox_guest_tools_call_tool(tool_string_t *name, tool_string_t *arguments,
                                          exports_mcpbox_guest_tools_tool_result_t *result,
                                          exports_mcpbox_guest_tools_tool_error_t *error) {
    if (name->len != strlen("count") || memcmp(name->ptr, "count", name->len) != 0) {
        error->tag = EXPORTS_MCPBOX_GUEST_TOOLS_TOOL_ERROR_UNKNOWN_TOOL;
        return false;
    }
    char *text = json_string_member((const char *)arguments->ptr, arguments->len, "text");
    if (!text) {
        error->tag = EXPORTS_MCPBOX_GUEST_TOOLS_TOOL_ERROR_INVALID_ARGUMENTS;
        tool_string_dup(&error->val.invalid_arguments, "`text` is missing or no string");
        return false;
    }
    if (strstr(text, "\x07")) PANIC("this example does not like bells");

    char answer[128];
    count(text, answer);
    free(text);

    tool_string_t said;
    tool_string_set(&said, "counted a text");
    mcpbox_guest_log_emit(MCPBOX_GUEST_TYPES_LOG_LEVEL_INFO, &said);

    mcpbox_guest_types_content_t *content = allocated(sizeof *content);
    content->tag = MCPBOX_GUEST_TYPES_CONTENT_TEXT;
    tool_string_dup(&content->val.text.text, answer);
    result->content.ptr = content;
    result->content.len = 1;
    result->structured.is_some = true;
    tool_string_dup(&result->structured.val, answer);
    return true;
}
