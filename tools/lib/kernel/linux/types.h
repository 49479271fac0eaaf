/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_LINUX_TYPES_H
#define _KERNEL_LINUX_TYPES_H

/*
 * What kmod/target/meta_*.c use of the kernel's headers, so that the tools are
 * linked with the same source.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include_next <linux/types.h>
#include <asm/byteorder.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned int gfp_t;

#define cpu_to_le32 __cpu_to_le32
#define cpu_to_le64 __cpu_to_le64
#define le32_to_cpu __le32_to_cpu
#define le64_to_cpu __le64_to_cpu

#endif /* _KERNEL_LINUX_TYPES_H */
