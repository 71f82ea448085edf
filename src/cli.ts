#!/usr/bin/env node
import { runProgram } from './cli/program.js';
import { processTerminal } from './cli/terminal.js';
import { start } from './service/start.js';

process.exitCode = await runProgram(process.argv.slice(2), processTerminal, start);
