/** The variables by which the engines' clients find their engine, their configuration and the user's session. */
const ofClients = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME'],
  ...[
    'DBUS_SESSION_BUS_ADDRESS',
    'SSH_AUTH_SOCK',
    'DOCKER_HOST',
    'DOCKER_CONTEXT',
    'DOCKER_CONFIG',
    'DOCKER_CERT_PATH',
  ],
  ...['DOCKER_TLS_VERIFY', 'CONTAINER_HOST', 'CONTAINER_CONNECTION', 'CONTAINER_SSHKEY', 'CONTAINERS_CONF'],
  ...['CONTAINERS_CONF_OVERRIDE', 'CONTAINERS_STORAGE_CONF', 'CONTAINERS_REGISTRIES_CONF'],
];

/** What of an environment the container engines' clients need, and nothing else of it. */
export function engineEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(ofClients.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}
