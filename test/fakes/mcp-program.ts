/**
 * An MCP server on stdio of one tool, `whoami`, which tells WHO of its own variables and HOUSE of the run's. Spelled out for
 * `node -e`: no package is needed to run it.
 */
export const mcpProgram = `
const lines = require('node:readline').createInterface({ input: process.stdin });
const tool = { name: 'whoami', description: 'Says who', inputSchema: { type: 'object', properties: {} } };
lines.on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  const answer = (result) => console.log(JSON.stringify({ jsonrpc: '2.0', id, result }));
  const serverInfo = { name: 'test', version: '1' };
  if (method === 'initialize') answer({ protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo });
  if (method === 'tools/list') answer({ tools: [tool] });
  if (method === 'tools/call') answer({ content: [{ type: 'text', text: 'I am ' + process.env.WHO + ' of ' + process.env.HOUSE }] });
});
`;
