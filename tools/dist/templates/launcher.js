#!/usr/bin/env node
// Starts the program of this platform's package.
'use strict';
const { spawn } = require('node:child_process');
const { constants } = require('node:os');

const name = `gossamer-cli-${process.platform}-${process.arch}`;
let program;
try {
  program = require.resolve(`${name}/${process.platform === 'win32' ? 'gossamer.exe' : 'gossamer'}`);
} catch {
  console.error(`gossamer: ${name} is not installed: there is none for this platform, or optional dependencies were left out (npm install --include=optional)`);
  process.exit(1);
}
const child = spawn(program, process.argv.slice(2), { stdio: 'inherit' });
// A terminal sends Ctrl-C to both: the program decides what it means. What is sent to this process alone is handed on.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('error', (error) => {
  console.error(`gossamer: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
