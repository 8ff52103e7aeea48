/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sandbox sees of its size: /proc/meminfo, /proc/cpuinfo and their like tell of the whole machine, whatever a control group allows,
 * and programs size their heaps and their pools of threads by them. lxcfs, one process for all containers of a node, answers with what
 * the reader's control group has. It is not the agent's child: it has to outlive it, as the containers do.
 */
#pragma once

struct runtime;

/* The directory where lxcfs is mounted; starts it, or starts it again, when it is not there. NULL when it is not installed or does not
 * work, which is logged once: then the files are the machine's. Any thread; 0.1 ms when it runs. */
const char *size_view_dir(struct runtime *runtime);
/* Ends it: no sandbox is left that looks at it. */
void size_view_stop(struct runtime *runtime);
