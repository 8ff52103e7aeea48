/* SPDX-License-Identifier: Apache-2.0 */
/* The three kinds of filter patterns behind filter_pattern.h. What they parse lives in the text's arena. */
#pragma once

#include "logs/filter_condition.h"

/* Terms. */
struct filter_terms;
int filter_terms_parse(struct filter_text *text, struct filter_regex **list, struct filter_terms **ret, struct error *error);
bool filter_terms_match(const struct filter_terms *terms, const char *message, size_t len);

/* { … } */
struct filter_json;
int filter_json_parse(struct filter_text *text, struct filter_regex **list, struct filter_json **ret, struct error *error);
bool filter_json_match(const struct filter_json *json, const char *message, size_t len);

/* [ … ] */
struct filter_fields;
int filter_fields_parse(struct filter_text *text, struct filter_regex **list, struct filter_fields **ret, struct error *error);
bool filter_fields_match(const struct filter_fields *fields, const char *message, size_t len);
