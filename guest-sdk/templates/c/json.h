// Reads one thing of JSON: a member of an object that is a string. The host has checked the arguments
// against the tool's schema, so what comes here is a valid object.

#ifndef JSON_H
#define JSON_H

#include <stddef.h>

// The value of the member `name` of the object `json` (of `length` bytes) as text in UTF-8, to be
// freed; NULL if there is no such member, or it is no string.
char *json_string_member(const char *json, size_t length, const char *name);

#endif
