/** What the filter refuses, why, and with which answer. Everything else is allowed. */

export type Arch = 'x64' | 'arm64';

/** The errno of a refusal. Programs treat ENOSYS as "this kernel has it not" and fall back by themselves. */
export type Answer = 'EPERM' | 'ENOSYS' | 'EAFNOSUPPORT' | 'EPROTONOSUPPORT';

/** The number of a call per architecture; absent where the architecture has no such call. */
export type CallNumbers = Readonly<Partial<Record<Arch, number>>>;

export interface Row {
  readonly reason: string;
  readonly answer: Answer;
  readonly calls: Readonly<Record<string, CallNumbers>>;
}

/** A test on the low 32 bits of one argument, which are all that the kernel itself reads of these. */
export interface Condition {
  readonly arg: number;
  /** Bits that count; all where not given. */
  readonly mask?: number;
  readonly is: 'in' | 'notIn';
  readonly values: readonly number[];
}

export interface ArgumentRule {
  readonly call: string;
  readonly numbers: CallNumbers;
  readonly reason: string;
  /** The first refusal of which every condition holds gives the answer; where none does, the call is allowed. */
  readonly refusals: readonly { readonly answer: Answer; readonly when: readonly Condition[] }[];
}

/** The newest call that was looked at (`file_setattr`, Linux 6.18). Newer ones answer ENOSYS, unread. */
export const newestKnownCall = 469;

/** `AUDIT_ARCH_*`: how the kernel names the architecture of a call. */
export const auditArch: Readonly<Record<Arch, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** Calls of the x32 ABI carry this bit and come under the name of x86-64. */
export const x32Bit = 0x40000000;

const both = (number: number): CallNumbers => ({ x64: number, arm64: number });
const each = (x64: number, arm64: number): CallNumbers => ({ x64, arm64 });
const onlyX64 = (x64: number): CallNumbers => ({ x64 });

export const rows: readonly Row[] = [
  {
    reason: 'Keyrings are not namespaced: the caller’s session keyring can be read through the wall.',
    answer: 'EPERM',
    calls: { add_key: each(248, 217), request_key: each(249, 218), keyctl: each(250, 219) },
  },
  {
    reason: 'io_uring carries out calls that no filter sees.',
    answer: 'ENOSYS',
    calls: { io_uring_setup: both(425), io_uring_enter: both(426), io_uring_register: both(427) },
  },
  {
    reason: 'The flags of clone3 lie in memory, where a filter cannot read them; libc falls back to clone.',
    answer: 'ENOSYS',
    calls: { clone3: both(435) },
  },
  {
    reason: 'New or other namespaces bring back capabilities and kernel code that the wall shuts off.',
    answer: 'EPERM',
    calls: { unshare: each(272, 97), setns: each(308, 268) },
  },
  {
    reason: 'Reaches into the memory, descriptors or pages of other processes, pid 1 among them.',
    answer: 'EPERM',
    calls: {
      ptrace: each(101, 117),
      process_vm_readv: each(310, 270),
      process_vm_writev: each(311, 271),
      pidfd_getfd: both(438),
      kcmp: each(312, 272),
      process_madvise: both(440),
      migrate_pages: each(256, 238),
      move_pages: each(279, 239),
    },
  },
  {
    reason: 'What is mounted where, and what can be seen of it, is the wall.',
    answer: 'EPERM',
    calls: {
      mount: each(165, 40),
      umount2: each(166, 39),
      pivot_root: each(155, 41),
      chroot: each(161, 51),
      open_tree: both(428),
      open_tree_attr: both(467),
      move_mount: both(429),
      fsopen: both(430),
      fsconfig: both(431),
      fsmount: both(432),
      fspick: both(433),
      mount_setattr: both(442),
      statmount: both(457),
      listmount: both(458),
      open_by_handle_at: each(304, 265),
    },
  },
  {
    reason: 'Watches or runs programs inside the kernel, or helps to win races against it.',
    answer: 'EPERM',
    calls: {
      bpf: each(321, 280),
      perf_event_open: each(298, 241),
      userfaultfd: each(323, 282),
      memfd_secret: both(447),
      lookup_dcookie: each(212, 18),
      fanotify_init: each(300, 262),
      fanotify_mark: each(301, 263),
    },
  },
  {
    reason: 'Replaces the kernel or loads code into it.',
    answer: 'EPERM',
    calls: {
      kexec_load: each(246, 104),
      kexec_file_load: each(320, 294),
      init_module: each(175, 105),
      finit_module: each(313, 273),
      delete_module: each(176, 106),
      create_module: onlyX64(174),
      query_module: onlyX64(178),
      get_kernel_syms: onlyX64(177),
    },
  },
  {
    reason: 'Rules the whole machine: power, swap, accounting, quota, names, the kernel’s log.',
    answer: 'EPERM',
    calls: {
      reboot: each(169, 142),
      swapon: each(167, 224),
      swapoff: each(168, 225),
      acct: each(163, 89),
      quotactl: each(179, 60),
      quotactl_fd: both(443),
      sethostname: each(170, 161),
      setdomainname: each(171, 162),
      syslog: each(103, 116),
      vhangup: each(153, 58),
    },
  },
  {
    reason: 'The machine’s one clock.',
    answer: 'EPERM',
    calls: {
      settimeofday: each(164, 170),
      clock_settime: each(227, 112),
      clock_adjtime: each(305, 266),
      adjtimex: each(159, 171),
    },
  },
  {
    reason: 'Raw hardware and calls so old that nobody looks after them.',
    answer: 'EPERM',
    calls: {
      iopl: onlyX64(172),
      ioperm: onlyX64(173),
      modify_ldt: onlyX64(154),
      uselib: onlyX64(134),
      sysfs: onlyX64(139),
      _sysctl: onlyX64(156),
      nfsservctl: each(180, 42),
    },
  },
];

const family = { unix: 1, inet: 2, inet6: 10, netlink: 16 };
const socketType = { stream: 1, dgram: 2, mask: 0xf };
const protocol = { none: 0, icmp: 1, tcp: 6, udp: 17, icmpv6: 58 };
const ip = { arg: 0, is: 'in', values: [family.inet, family.inet6] } as const;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const cloneNamespaceFlags = 0x7e020000;
const terminalRequest = { TIOCSTI: 0x5412, TIOCLINUX: 0x541c, TIOCSETD: 0x5423 };
/** Plain Linux, 32-bit names, the 2.6 version number, both, and the question which one holds. */
const personalities = [0, 8, 0x20000, 0x20008, 0xffffffff];

export const argumentRules: readonly ArgumentRule[] = [
  {
    call: 'clone',
    numbers: each(56, 220),
    reason: 'New namespaces, as with unshare.',
    refusals: [{ answer: 'EPERM', when: [{ arg: 0, mask: cloneNamespaceFlags, is: 'notIn', values: [0] }] }],
  },
  {
    call: 'ioctl',
    numbers: each(16, 29),
    reason: 'Types into a terminal as its user would, or loads a line discipline.',
    refusals: [{ answer: 'EPERM', when: [{ arg: 1, is: 'in', values: Object.values(terminalRequest) }] }],
  },
  {
    call: 'personality',
    numbers: each(135, 92),
    reason: 'Switches address randomisation off and old ABIs on.',
    refusals: [{ answer: 'EPERM', when: [{ arg: 0, is: 'notIn', values: personalities }] }],
  },
  {
    call: 'socketpair',
    numbers: each(53, 199),
    reason: 'Only unix sockets make pairs that programs use.',
    refusals: [{ answer: 'EPERM', when: [{ arg: 0, is: 'notIn', values: [family.unix] }] }],
  },
  {
    call: 'socket',
    numbers: each(41, 198),
    reason:
      'Vsock and others are not namespaced and reach the host; raw, packet and rare protocols are kernel code nobody needs.',
    refusals: [
      { answer: 'EAFNOSUPPORT', when: [{ arg: 0, is: 'notIn', values: Object.values(family) }] },
      {
        answer: 'EAFNOSUPPORT',
        when: [
          { arg: 0, is: 'in', values: [family.netlink] },
          { arg: 2, is: 'notIn', values: [protocol.none] },
        ],
      },
      {
        answer: 'EPROTONOSUPPORT',
        when: [ip, { arg: 1, mask: socketType.mask, is: 'notIn', values: [socketType.stream, socketType.dgram] }],
      },
      { answer: 'EPROTONOSUPPORT', when: [ip, { arg: 2, is: 'notIn', values: Object.values(protocol) }] },
    ],
  },
];
