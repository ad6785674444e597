// See json.h.

#include "json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *at, *end;
};

static void skip_space(struct reader *in) {
    while (in->at < in->end && strchr(" \t\r\n", *in->at)) in->at++;
}

// Four hexadecimal digits; 0xfffd, the replacement character, if they are none.
static uint32_t code_unit(struct reader *in) {
    char digits[5] = {0};
    if (in->end - in->at < 4) return 0xfffd;
    memcpy(digits, in->at, 4);
    in->at += 4;
    char *rest;
    uint32_t unit = (uint32_t)strtoul(digits, &rest, 16);
    return *rest ? 0xfffd : unit;
}

static char *put_utf8(char *out, uint32_t code) {
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

static char *put_escape(struct reader *in, char *out) {
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    char letter = *in->at++;
    const char *found = strchr(letters, letter);
    if (found) {
        *out++ = meanings[found - letters];
        return out;
    }
    if (letter != 'u') {
        *out++ = letter;
        return out;
    }
    uint32_t code = code_unit(in);
    // A character outside the first 65,536 is written as two code units.
    if (code >= 0xd800 && code < 0xdc00 && in->end - in->at >= 2 && in->at[0] == '\\' && in->at[1] == 'u') {
        in->at += 2;
        uint32_t low = code_unit(in);
        code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
    }
    if ((code >= 0xd800 && code < 0xe000) || code == 0) code = 0xfffd;
    return put_utf8(out, code);
}

// The string at the reader, which stands at its quote; never longer than its JSON.
static char *string(struct reader *in) {
    char *text = malloc((size_t)(in->end - in->at) + 1);
    if (!text) return NULL;
    char *out = text;
    in->at++;
    while (in->at < in->end && *in->at != '"') {
        if (*in->at == '\\' && in->end - in->at >= 2) {
            in->at++;
            out = put_escape(in, out);
        } else {
            *out++ = *in->at++;
        }
    }
    in->at++;
    *out = 0;
    return text;
}

// Goes behind a value of any kind.
static void skip_value(struct reader *in) {
    size_t depth = 0;
    while (in->at < in->end) {
        if (*in->at == '"') {
            free(string(in));
            continue;
        }
        if (strchr("{[", *in->at)) depth++;
        if (strchr("}]", *in->at) && depth-- == 0) return;
        if (*in->at == ',' && depth == 0) return;
        in->at++;
    }
}

char *json_string_member(const char *json, size_t length, const char *name) {
    struct reader in = {json, json + length};
    skip_space(&in);
    if (in.at == in.end || *in.at++ != '{') return NULL;
    for (;;) {
        skip_space(&in);
        if (in.at >= in.end || *in.at != '"') return NULL;
        char *key = string(&in);
        if (!key) return NULL;
        int is_it = strcmp(key, name) == 0;
        free(key);
        skip_space(&in);
        if (in.at >= in.end || *in.at++ != ':') return NULL;
        skip_space(&in);
        if (is_it) return in.at < in.end && *in.at == '"' ? string(&in) : NULL;
        skip_value(&in);
        if (in.at >= in.end || *in.at++ != ',') return NULL;
    }
}
