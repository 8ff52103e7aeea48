/* SPDX-License-Identifier: Apache-2.0 */
/* Does this machine virtualise? Found out by doing it: /dev/kvm alone says little (inside many virtual machines it cannot run a thing). */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* See qemu_accel_choose for the whole trial. Runs three instructions on a virtual processor. False with the reason in `why` (NULL is fine). Blocks for about a millisecond. */
bool kvm_works(struct error *why);
