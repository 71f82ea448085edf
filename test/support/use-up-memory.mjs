// `node --import`: uses up the heap of a job's process, a second after its start. Any other process stays as it is.
if (process.argv[1]?.endsWith('job-process.js')) {
  /** @type {string[][]} */
  const kept = [];
  setTimeout(() => {
    for (;;) kept.push(Array.from({ length: 10_000 }, (_, index) => `${kept.length} ${index}`));
  }, 1000);
}
