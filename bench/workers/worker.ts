/** What `runWorker()` was given; a message, since arguments have a limited length. */
export function readTask<Task>(): Promise<Task> {
  return new Promise((resolve) => {
    process.once('message', (message) => resolve(message as Task));
  });
}

/** Hands the result to the process that waits for it. */
export function finish(result: object): void {
  if (process.send === undefined) throw new Error('Expected to be started by npm run bench');
  process.send(result, () => process.disconnect());
}

/** A module of presisi's that its package doesn't export: what is measured apart here is one thing for a caller. */
export const internal = <Module>(name: string): Promise<Module> =>
  import(new URL(`./${name}.js`, import.meta.resolve('presisi')).href) as Promise<Module>;
