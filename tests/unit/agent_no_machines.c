/* SPDX-License-Identifier: Apache-2.0 */
/* A node of the unit tests has no micro-VMs: what the agent would call for one is never reached. tests/e2e/test_microvm.py has real ones. */
#include <stdlib.h>

#include "microvm/image_disk.h"
#include "microvm/vm.h"
#include "runtime/bundle.h"
#include "runtime/seccomp_profile.h"
#include "vpc/vpc.h"

#define NEVER(declaration) \
        declaration        \
        {                  \
                abort();   \
        }

NEVER(int vm_host_new(const struct vm_host_options *options, struct vm_host **ret, struct error *error))
NEVER(void vm_host_sweep(struct vm_host *host))
NEVER(int vm_take(struct vm_host *host, const char *id, const struct vm_size *size, const struct vm_callbacks *callbacks, void *data,
                  struct vm **ret, struct error *error))
NEVER(int vm_adopt(struct vm_host *host, const char *id, const struct vm_callbacks *callbacks, void *data, struct vm **ret,
                   struct error *error))
NEVER(uint32_t vm_ran(const struct vm_host *host, const char *id))
NEVER(void vm_end(struct vm *vm))
NEVER(const char *vm_tap(const struct vm *vm))
NEVER(void vm_configure(struct vm *vm, const struct guest_configure *in))
NEVER(void vm_limit(struct vm *vm))
NEVER(void vm_insert_image(struct vm *vm, uint32_t number, int fd))
NEVER(void vm_start_box(struct vm *vm, const struct guest_start *in))
NEVER(void vm_signal_box(struct vm *vm, uint32_t index, int number, bool all))
NEVER(const char *vm_log_path(struct vm *vm, uint32_t index))
NEVER(const char *vm_task_dir(const struct vm_host *host, const char *id, struct arena *arena))
NEVER(const char *vm_task_log(const struct vm_host *host, const char *id, uint32_t index, struct arena *arena))
NEVER(void vm_exec_start(struct vm *vm, uint32_t index, const struct string_list *args, struct vm_exec *exec))
NEVER(void vm_exec_cancel(struct vm_exec *exec))
NEVER(void vm_ask_stats(struct vm *vm))
NEVER(void vm_stats(const struct vm *vm, uint32_t index, struct runtime_stats *ret))
NEVER(int image_disk_open(const struct image *image, struct error *error))
NEVER(int bundle_write(const struct bundle_context *context, const struct runtime_container_spec *spec, struct arena *arena,
                       struct bundle_result *ret, struct error *error))
NEVER(struct seccomp_cache *seccomp_cache_new(void))
NEVER(const char *runtime_run_dir(const struct runtime *runtime))
NEVER(void vpc_sandbox_gateway(const struct vpc_sandbox *sandbox, char *ret))
NEVER(const char *vpc_sandbox_mac(const struct vpc_sandbox *sandbox))
NEVER(uint32_t vpc_sandbox_mtu(const struct vpc_sandbox *sandbox))

struct vm_host *vm_host_free(struct vm_host *host)
{
        (void)host;
        return NULL;
}

struct vm *vm_free(struct vm *vm)
{
        (void)vm;
        return NULL;
}

struct seccomp_cache *seccomp_cache_free(struct seccomp_cache *cache)
{
        (void)cache;
        return NULL;
}
