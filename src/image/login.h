/* SPDX-License-Identifier: Apache-2.0 */
/* Logins of registries, from the forms in which people have them to the auth.json that skopeo reads. Any thread. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

struct login_list;

struct login_list *login_list_new(void);
/* NULL is fine. Returns NULL. Wipes the passwords. */
struct login_list *login_list_free(struct login_list *logins);

/* Adds or replaces the login of a registry. "docker.io" stands for all the names of Docker Hub. */
void login_add(struct login_list *logins, const char *registry, const char *username, const char *password);
/* ECS_ENGINE_AUTH_DATA of type "docker" or "dockercfg"; -EINVAL with a message (that holds no secret). */
int login_add_engine_auth(struct login_list *logins, const char *type, const char *data, struct error *error) MUST_CHECK;
/* The "auths" of an auth.json or Docker's config.json. -EINVAL with a message. */
int login_add_auth_json(struct login_list *logins, const char *text, size_t len, struct error *error) MUST_CHECK;

/* Appends the auth.json of them all; nothing when there are none. */
void login_write(const struct login_list *logins, struct buf *out);
