/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller needs of the rest of the server: struct controller_ops whose data is the `struct api`. */
#pragma once

#include "control/controller.h"

extern const struct controller_ops api_controller_ops;
