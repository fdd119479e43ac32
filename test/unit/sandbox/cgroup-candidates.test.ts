import { expect, test } from 'vitest';
import { candidates } from '../../../src/sandbox/bubblewrap/cgroup-tree.ts';

const mount = (root: string, point: string, type: string, options = 'rw') =>
  `34 26 0:29 ${root} ${point} rw,nosuid shared:9 - ${type} cgroup ${options}`;

test('version 2 on a systemd machine: the own group and those above, nearest first', () => {
  const groups = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n';
  expect(candidates(groups, mount('/', '/sys/fs/cgroup', 'cgroup2'))).toEqual({
    one: {},
    two: [
      '/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope',
      '/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice',
      '/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service',
      '/sys/fs/cgroup/user.slice/user-1000.slice',
      '/sys/fs/cgroup/user.slice',
      '/sys/fs/cgroup',
    ],
  });
});

test('version 2 in a container with a cgroup namespace: its root alone', () => {
  expect(candidates('0::/\n', mount('/', '/sys/fs/cgroup', 'cgroup2')).two).toEqual(['/sys/fs/cgroup']);
});

test('version 1 in a container whose mounts show its own part of the tree', () => {
  const groups =
    '5:pids:/docker/abc\n4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc/inner\n1:name=systemd:/docker/abc\n';
  const mounts = [
    mount('/docker/abc', '/sys/fs/cgroup/memory', 'cgroup', 'rw,memory'),
    mount('/docker/abc', '/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct'),
    mount('/docker/other', '/sys/fs/cgroup/pids', 'cgroup', 'rw,pids'),
    mount('/', '/sys/fs/cgroup/systemd', 'cgroup', 'rw,name=systemd'),
  ].join('\n');
  expect(candidates(groups, mounts)).toEqual({
    one: { memory: '/sys/fs/cgroup/memory/inner', cpu: '/sys/fs/cgroup/cpu,cpuacct' },
    two: [],
  });
});

test('no cgroup at all', () => {
  expect(candidates('', '')).toEqual({ one: {}, two: [] });
});
