/** What `runWorker()` was given; a message, since arguments have a limited length. */
export function readTask<Task>(): Promise<Task> {
  return new Promise((resolve) => {
    process.once('message', (message) => resolve(message as Task));
  });
}

/** Hands the result to the process that waits for it. */
export function finish(result: object): void {
  if (process.send === undefined) throw new Error('Expected to be started by run.ts or memory.ts');
  process.send(result, () => process.disconnect());
}
