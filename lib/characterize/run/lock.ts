import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileSystemError, PresisiError } from '../../errors.js';

/** Who holds a folder. A process number alone is used again some day; with the start time it isn't, until a restart. */
interface Holder {
  readonly host: string;
  readonly boot: string;
  readonly pid: number;
  readonly start: string;
}

export interface Lock {
  release(): Promise<void>;
}

const NAME = /^lock\.(\d+)$/;
const DRAFT = /^\.lock\.(\d+)\.tmp$/;

/**
 * Takes a folder for this process alone. Holders are numbered: whoever finds the highest number dead takes the next one,
 * and creating a file that exists already fails, so that only one can. Nobody ever removes a higher number than their own.
 *
 * @throws PresisiError ERR_PRESISI_INVALID_EXPERIMENT where a living process holds it
 */
export async function lockFolder(folder: string): Promise<Lock> {
  const own = await holderOf(process.pid);
  const draft = join(folder, `.lock.${process.pid}.tmp`);
  try {
    await writeFile(draft, JSON.stringify(own));
    for (;;) {
      const highest = await highestLock(folder);
      if (highest > 0) await refuseLiving(folder, lockPath(folder, highest));
      const mine = highest + 1;
      if (!(await tryLink(draft, lockPath(folder, mine)))) continue;
      // Somebody may have come and gone between the look and the link, and left a higher number.
      if ((await highestLock(folder)) === mine) {
        await removeLower(folder, mine);
        await removeDrafts(folder);
        return { release: () => rm(lockPath(folder, mine), { force: true }) };
      }
      await rm(lockPath(folder, mine), { force: true });
    }
  } catch (error) {
    throw error instanceof PresisiError ? error : fileSystemError('write into the folder', folder, error);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Whether a file of the folder belongs to locking. */
export const isLockFile = (name: string): boolean => NAME.test(name) || DRAFT.test(name);

const lockPath = (folder: string, number: number): string => join(folder, `lock.${number}`);

async function lockNumbers(folder: string): Promise<number[]> {
  return (await readdir(folder)).flatMap((name) => {
    const number = NAME.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}

const highestLock = async (folder: string): Promise<number> => Math.max(0, ...(await lockNumbers(folder)));

async function removeLower(folder: string, mine: number): Promise<void> {
  for (const number of await lockNumbers(folder)) {
    if (number < mine) await rm(lockPath(folder, number), { force: true });
  }
}

/** Of processes that were killed while they took the folder. Whoever holds it knows that nobody else is about to. */
async function removeDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = DRAFT.exec(name)?.[1];
    if (pid === undefined) continue;
    const path = join(folder, name);
    const holder = await readFile(path, 'utf8')
      .then((text) => JSON.parse(text) as Holder)
      .catch(() => undefined);
    if (holder !== undefined && holder.host !== hostname()) continue;
    // Cut off before it was written, it still bears a number.
    const lives = holder === undefined ? (await startOf(Number(pid))) !== undefined : await isRunning(holder);
    if (!lives) await rm(path, { force: true });
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function refuseLiving(folder: string, path: string): Promise<void> {
  let holder: Holder;
  try {
    holder = JSON.parse(await readFile(path, 'utf8')) as Holder;
  } catch {
    // Gone meanwhile, or cut off by a loss of power: nobody who lives holds it.
    return;
  }
  if (holder.host !== hostname()) {
    throw new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', `${folder} is in use by the computer ${holder.host}`, {
      hint: `if no presisi runs there any more, remove ${path}`,
    });
  }
  if (!(await isRunning(holder))) return;
  throw new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', `${folder} is in use by process ${holder.pid}`, {
    hint: 'wait until it ends, or choose another folder',
  });
}

/** What tells a process of this machine from every other one there was since it was started. */
export type ProcessIdentity = Pick<Holder, 'boot' | 'pid' | 'start'>;

export async function identityOfProcess(pid: number): Promise<ProcessIdentity> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return { boot: boot.trim(), pid, start: (await startOf(pid)) ?? '' };
}

const holderOf = async (pid: number): Promise<Holder> => ({ host: hostname(), ...(await identityOfProcess(pid)) });

/** Whether that very process still runs. */
export async function isRunning({ boot, pid, start }: ProcessIdentity): Promise<boolean> {
  const now = await identityOfProcess(pid);
  return now.boot === boot && now.start !== '' && now.start === start;
}

/** Clock ticks between the machine's start and the process's, field 22 of `/proc/PID/stat`; undefined where it's gone. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold anything, parentheses too.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended; it only waits for its parent to notice.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
