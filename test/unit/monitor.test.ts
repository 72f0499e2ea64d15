import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { renderLine } from '../../lib/cli/monitor-text.js';
import { renderView, type View } from '../../lib/cli/monitor-view.js';
import { processTree } from '../../lib/cli/processes.js';
import { coloured, cut, plain, Screen, widthOf } from '../../lib/cli/terminal.js';
import { exposition, type Quantity, startPrometheus } from '../../lib/index.js';
import { Live } from '../../lib/telemetry/live.js';
import { Totals } from '../../lib/telemetry/totals.js';
import { cli, presisiRejection, ROOT, temporaryFolder } from './support.js';
import { copyOf, quantityOf, recorded } from './telemetry-support.js';

const folder = await temporaryFolder();
const ORIN = recorded('orin-nano');

interface Line {
  readonly type: string;
  readonly time?: number;
  readonly values?: Record<string, number>;
  readonly metrics?: string;
  readonly quantities?: Quantity[];
  readonly sources?: { name: string; available: boolean; reason?: string }[];
  readonly resources?: { energy?: { joules: number }[]; seconds: number };
  readonly sampler?: { samples: number; lost: number };
}

const linesOf = (stdout: string): Line[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

/**
 * Runs the monitor until it has printed what `ready` waits for, lets `then` act, sends a signal (0: none), and waits for the
 * end.
 */
async function interrupted(
  args: readonly string[],
  ready: (stdout: string) => boolean,
  then: (stdout: string) => Promise<void> = async () => {},
  signal: NodeJS.Signals | 0 = 'SIGINT',
) {
  const child = spawn(process.execPath, [join(ROOT, 'dist/cli/main.js'), 'monitor', ...args], { cwd: ROOT });
  let [stdout, stderr, acted] = ['', '', false];
  const acting = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (piece) => {
      stdout += piece;
      if (acted || !ready(stdout)) return;
      acted = true;
      then(stdout)
        .then(() => void child.kill(signal))
        .then(resolve, reject);
    });
    child.on('close', () => (acted ? resolve() : reject(new Error(`ended early: ${stdout}${stderr}`))));
  });
  child.stderr.on('data', (piece) => {
    stderr += piece;
  });
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  await acting.catch((error) => {
    child.kill('SIGKILL');
    throw error;
  });
  return { code: await closed, stdout, stderr };
}

describe('presisi monitor --json', () => {
  test('an object a line: what is read, samples, a summary', async () => {
    const { code, stdout, stderr } = await cli(
      'monitor',
      '--json',
      '--root',
      ORIN,
      '--rate',
      '50',
      '--duration',
      '0.5',
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = linesOf(stdout);
    const [start, summary] = [lines[0], lines.at(-1)];
    const samples = lines.slice(1, -1);
    expect(start?.type).toBe('start');
    expect(start?.quantities?.map(({ name }) => name)).toContain('power.VDD_IN');
    expect(start?.sources?.find(({ name }) => name === 'rapl')).toMatchObject({ available: false });
    expect(samples.length).toBeGreaterThan(1);
    expect(new Set(samples.map(({ type }) => type))).toEqual(new Set(['sample']));
    const watts = samples[0]?.values?.['power.VDD_IN'] ?? Number.NaN;
    expect(watts).toBeGreaterThan(1);
    expect(summary?.type).toBe('summary');
    expect(summary?.sampler?.samples).toBe(samples.length);
    // The recording stands still: what was drawn is its power times the time.
    const seconds = (samples.at(-1)?.time ?? 0) - (samples[0]?.time ?? 0);
    expect(summary?.resources?.energy?.[0]?.joules).toBeCloseTo(watts * seconds, 6);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s ends it in good order', async (signal) => {
    const ready = (stdout: string) => stdout.includes('"type":"sample"');
    const args = ['--json', '--sources', 'system', '--rate', '20'];
    const { code, stdout, stderr } = await interrupted(args, ready, undefined, signal);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(linesOf(stdout).at(-1)).toMatchObject({ type: 'summary', sampler: { lost: 0 } });
  });

  test('ends by itself when the process that is watched does', async () => {
    const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('close', resolve));
    const { code, stdout, stderr } = await interrupted(
      ['--json', '--pid', String(child.pid), '--rate', '20'],
      (text) => text.includes('"type":"sample"'),
      async () => {
        child.kill('SIGKILL');
        await ended;
      },
      0,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(linesOf(stdout).at(-1)?.type).toBe('summary');
  });

  test('a reader that goes away ends it', async () => {
    const command = `"${process.execPath}" dist/cli/main.js monitor --json --sources system --rate 200 | head -n 3`;
    const child = spawn('/bin/sh', ['-c', command], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (piece) => {
      stderr += piece;
    });
    child.stdout.resume();
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    expect(stderr).toBe('');
  });
});

describe('presisi monitor without a terminal', () => {
  test('a line a sample, absences with their reasons, and a summary', async () => {
    const { code, stdout } = await cli('monitor', '--root', ORIN, '--rate', '10', '--duration', '0.5');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^# .*Orin Nano.*, 10 samples a second\n/);
    expect(stdout).toMatch(/^# absent: rapl: .+$/m);
    expect(stdout).toMatch(/^ +0\.0 s +memory .* GPU 63\.0 % +board 12\.\d\d W +\S+ [\d.]+ °C$/m);
    expect(stdout).toMatch(/^energy: +board \d+\.\d J, mean 12\.\d\d W over 0\.\d s \(power\.VDD_IN\)$/m);
    expect(stdout).toMatch(/^sampler: +[\d.]+ % of a core; \d+ samples, 0 lost, \d+ missed$/m);
    expect(stdout).not.toContain('\u001b');
  });

  test.each([
    [['--rate', '5000'], 2, 'Expected a number from 0.1 to 1000'],
    [['--duration', '0'], 2, 'Expected a number from 0.001'],
    [['--pid', '0'], 2, 'Expected an integer between 1'],
    [['--prometheus', '99999'], 2, 'Expected an integer between 0 and 65535'],
    [['--pid', '2147483647'], 1, 'Expected the id of a living process'],
    [['--sources', 'divination'], 1, 'divination'],
    [['--root', '/nowhere/at/all'], 1, 'no such file or folder'],
  ])('%j is refused', async (args, code, message) => {
    const finished = await cli('monitor', ...args);
    expect(finished.code).toBe(code);
    expect(finished.stderr).toContain(message);
    expect(finished.stdout).toBe('');
  });
});

describe('presisi doctor', () => {
  test('lists the sources', async () => {
    const { stdout } = await cli('doctor');
    expect(stdout).toMatch(/^ok {4}telemetry: \d+ of 10 sources, \d+ quantities$/m);
    expect(stdout).toMatch(/^ {6}process: \d+ quantities$/m);
    expect(stdout).toMatch(/^ {6}ina3221: absent: .+$/m);
  });
});

/** A device of `cores` cores, sampled twice; core 0 busy with everything. */
function viewOf(cores: number, more: Partial<View> = {}): View {
  const names = Array.from({ length: cores }, (_, core) =>
    ['user', 'system', 'idle', 'iowait', 'steal'].map((part) => `system.cpu.${core}.${part}`),
  ).flat();
  const gauges = {
    'system.memory.total': 8e9,
    'system.memory.available': 2e9,
    'gpu.load': 0.625,
    'gpu.clock': 625e6,
    'temperature.cpu': 54.25,
    'power.VDD_IN': 12.5,
    'process.rss': 1e8,
    'process.threads': 1,
  };
  const totals = new Totals(
    [...names, 'process.cpu.user', 'process.cpu.system', ...Object.keys(gauges)].map((name) => quantityOf(name)),
  );
  const live = new Live(totals);
  for (const time of [0, 1, 2]) {
    const parts = { user: 0.5 * time, system: 0.25 * time, idle: 0.125 * time, iowait: 0, steal: 0.125 * time };
    const values = Object.fromEntries(names.map((name) => [name, parts[name.split('.')[3] as keyof typeof parts]]));
    totals.add({ time, values: { ...values, ...gauges, 'process.cpu.user': time, 'process.cpu.system': time / 4 } });
    live.look();
  }
  return {
    device: 'a device',
    rate: 1,
    totals,
    live,
    sources: [
      { name: 'rapl', available: false, reason: 'no such thing here, for a reason that takes many words to say' },
    ],
    statistics: { rate: 1, samples: 3, lost: 0, missed: 0, seconds: 2, cpuSeconds: 0.005, sources: [] },
    watched: 'process 4711',
    processes: [{ pid: 4711, depth: 0, name: 'node', cpuSeconds: 3, rss: 1e8, cores: 1.25 }],
    metrics: undefined,
    ...more,
  };
}

describe('the picture', () => {
  test('says what was read, in 80 columns', () => {
    const lines = renderView(viewOf(2), 79, plain);
    const text = lines.join('\n');
    expect(text).toContain('0 [████████████▓▓▓▓▓▓░░░···]  88 % user 50 system 25 steal 13');
    expect(text).toContain('6.00 GB of 8.00 GB');
    expect(text).toMatch(/GPU +\[█{15}·{9}\] {2}63 % {2}625 MHz/);
    expect(text).toContain('cpu 54.3 °C');
    expect(text).toContain('board 12.50 W');
    expect(text).toContain('board 25.0 J, mean 12.50 W over 2.0 s (power.VDD_IN)');
    expect(text).toMatch(/process +4711 {2}1\.25 cores {2}100 MB resident/);
    expect(text).toMatch(/4711 node +125 % +100 MB/);
    expect(text).toContain('sampler  0.25 % of a core; 3 samples, 0 lost, 0 missed');
    expect(text).toContain('absent   rapl: no such thing here');
    // Everything else has to be cut nowhere.
    for (const line of lines.filter((line) => !line.includes('rapl'))) expect(widthOf(line)).toBeLessThanOrEqual(79);
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });

  test.each([12, 64, 128])('%d cores share lines', (cores) => {
    const lines = renderView(viewOf(cores), 79, plain);
    const shown = lines.join('\n').match(/\[[█▓▒░·]{8}\] {2}88 %/g) ?? [];
    expect(shown).toHaveLength(cores);
    for (const line of lines.filter((line) => !line.includes('rapl'))) expect(widthOf(line)).toBeLessThanOrEqual(79);
  });

  test('colours take no room', () => {
    const [bare, painted] = [renderView(viewOf(2), 79, plain), renderView(viewOf(2), 79, coloured)];
    expect(painted.map(widthOf)).toEqual(bare.map(widthOf));
    expect(painted.join('')).toContain('\u001b[');
  });

  test('of nothing has nothing but what is absent', () => {
    const totals = new Totals([]);
    const view = viewOf(0, { totals, live: new Live(totals), processes: [] });
    const text = renderView(view, 79, plain).join('\n');
    expect(text).not.toMatch(/CPU|memory|GPU|heat|power|energy|NaN|undefined/);
    expect(text).toContain('absent   rapl');
  });

  test('one line of it', () => {
    const { totals, live } = viewOf(2);
    expect(renderLine(totals, live, true).trim()).toBe(
      '2.0 s  CPU 87.5 %  memory 6.00 GB  process 1.25 cores  resident 100 MB  GPU 62.5 %  board 12.50 W  cpu 54.3 °C',
    );
  });
});

describe('the terminal', () => {
  const SEQUENCE = new RegExp(`${'\u001b'}\\[\\??\\d*[A-Za-z]|[^]`, 'gu');

  /** What the writes leave on the screen, for the sequences that Screen uses. */
  function screenAfter(writes: string): { lines: string[]; visible: boolean } {
    const lines: string[][] = [[]];
    let [row, column, visible] = [0, 0, true];
    for (const [token] of writes.matchAll(SEQUENCE)) {
      lines[row] ??= [];
      if (token === '\n') row += 1;
      else if (token === '\r') column = 0;
      else if (token.endsWith('A')) row -= Number(token.slice(2, -1));
      else if (token === '\u001b[K') lines[row]?.splice(column);
      else if (token === '\u001b[J') lines.splice(row);
      else if (token === '\u001b[?25l') visible = false;
      else if (token === '\u001b[?25h') visible = true;
      else if (!token.startsWith('\u001b')) {
        (lines[row] as string[])[column] = token;
        column += 1;
      }
    }
    return { lines: lines.map((line) => line.join('')).filter((line) => line !== ''), visible };
  }

  const fake = (columns: number, rows: number) => {
    let written = '';
    const write = (text: string): void => {
      written += text;
    };
    const stream = { columns, rows, write };
    return { screen: new Screen(stream as unknown as NodeJS.WriteStream), shown: () => screenAfter(written) };
  };

  test('a picture is drawn over the one before, longer or shorter', () => {
    const { screen, shown } = fake(40, 20);
    screen.draw(['one', 'a longer line', 'three']);
    screen.draw(['1', '2', '3', '4']);
    expect(shown()).toEqual({ lines: ['1', '2', '3', '4'], visible: false });
    screen.draw(['last']);
    screen.close();
    expect(shown()).toEqual({ lines: ['last'], visible: true });
  });

  test('no picture is higher or wider than the screen', () => {
    const { screen, shown } = fake(30, 5);
    const lines = Array.from({ length: 9 }, (_, i) => `${i} ${'x'.repeat(60)}`);
    screen.draw(lines);
    screen.draw(lines);
    const drawn = shown().lines;
    expect(drawn).toHaveLength(4);
    for (const line of drawn) expect(line).toHaveLength(29);
  });

  test('cutting keeps colours whole', () => {
    expect(cut('plain text', 20)).toBe('plain text');
    expect(cut('plain text', 6)).toBe('plain…');
    const painted = `ab${coloured('red', 'cdef')}gh`;
    expect(cut(painted, 8)).toBe(painted);
    expect(cut(painted, 5)).toBe(`ab${coloured('red', 'cd')}…`);
  });

  test.skipIf(!existsSync('/usr/bin/script'))('drawn in place, and left as it was found', async () => {
    const command = `stty cols 80 rows 30; "${process.execPath}" dist/cli/main.js monitor --root "${ORIN}" --rate 20 --duration 1.5`;
    const child = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let written = '';
    child.stdout.on('data', (piece) => {
      written += piece;
    });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    const pictures = written.split('presisi\u001b[0m').length - 1;
    expect(pictures).toBeGreaterThan(1);
    const { lines, visible } = screenAfter(written.replaceAll('\r\n', '\r\n'));
    expect(visible).toBe(true);
    expect(lines.filter((line) => line.includes('samples a second'))).toHaveLength(1);
    expect(lines.join('\n')).toMatch(/^energy: +board/m);
  });
});

describe('the tree of processes', () => {
  test('of living ones', async () => {
    const child = spawn('/bin/sh', ['-c', 'sleep 30 & wait'], { detached: true, stdio: 'ignore' });
    const pid = child.pid as number;
    try {
      await expect
        .poll(async () => (await processTree(pid)).map(({ name, depth }) => `${depth} ${name}`))
        .toEqual(['0 sh', '1 sleep']);
      expect((await processTree(pid))[1]?.rss).toBeGreaterThan(1e5);
    } finally {
      process.kill(-pid, 'SIGKILL');
    }
  });

  test('of none is empty', async () => {
    expect(await processTree(2 ** 31 - 1)).toEqual([]);
  });

  test('names can neither be mistaken nor move the cursor', async () => {
    const root = join(folder, 'names');
    const { mkdir } = await import('node:fs/promises');
    await mkdir(join(root, 'proc/7/task'), { recursive: true });
    const fields = Array.from({ length: 30 }, (_, i) => (i === 11 ? 250 : i === 12 ? 50 : 0)).join(' ');
    await writeFile(join(root, 'proc/7/stat'), `7 (a) b\u001b[2J) ${fields.replace('0', 'S')}\n`);
    expect(await processTree(7, root)).toEqual([{ pid: 7, depth: 0, name: 'a) b?[2J', cpuSeconds: 3 }]);
  });
});

describe('Prometheus', () => {
  /** Values by metric with labels; fails where the text is no exposition. */
  function parse(text: string): Map<string, number> {
    const found = new Map<string, number>();
    for (const line of text.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
      const match = /^(presisi_[a-z_]+(?:\{(?:\w+="[^"]*",?)+\})?) (-?[\d.e+-]+)$/.exec(line);
      expect(match, line).not.toBeNull();
      found.set(match?.[1] ?? '', Number(match?.[2]));
    }
    return found;
  }

  test('the exposition of a recorded device', async () => {
    await using metrics = await exposition({ root: ORIN });
    const text = await metrics.text();
    const values = parse(text);
    expect(values.get('presisi_power_watts{rail="VDD_IN",source="ina3221",estimated="false"}')).toBeCloseTo(12.48, 1);
    expect(values.get('presisi_gpu_load_ratio{gpu="0"}')).toBeCloseTo(0.63, 2);
    expect(values.get('presisi_cpu_clock_hertz{core="0"}')).toBeGreaterThan(1e8);
    expect(values.get('presisi_source_available{source="rapl"}')).toBe(0);
    expect(values.get('presisi_source_available{source="ina3221"}')).toBe(1);
    expect(values.get('presisi_sampler_lost_total')).toBe(0);
    expect([...values.keys()].some((name) => name.startsWith('presisi_cpu_seconds_total{core="5",mode="idle"}'))).toBe(
      true,
    );
    expect(text).toMatch(/^# TYPE presisi_cpu_seconds_total counter$/m);
    expect(text).toMatch(/^# TYPE presisi_power_watts gauge$/m);
    // Nothing that isn't there: no RAPL, so no energy, and no GPU memory.
    expect(text).not.toMatch(/presisi_energy|presisi_gpu_memory|NaN/);
    expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  });

  test('what falls silent disappears', async () => {
    const root = await copyOf('xavier-nx', folder);
    const { quantities } = await import('../../lib/index.js').then(({ telemetrySources }) =>
      telemetrySources({ root, sources: ['temperatures'] }),
    );
    const [first] = quantities;
    const sensor = first?.name.replace('temperature.', '') ?? '';
    await using metrics = await exposition({ root, sources: ['temperatures'], rate: 50 });
    expect(await metrics.text()).toContain(`sensor="${sensor}"`);
    await writeFile(/\/\S+/.exec(first?.sensor ?? '')?.[0] ?? '', 'broken\n');
    await expect.poll(() => metrics.text(), { timeout: 20_000, interval: 100 }).not.toContain(`sensor="${sensor}"`);
  });

  test('a server of its own', async () => {
    const server = await startPrometheus({ port: 0, sources: ['system'] });
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    const answer = await fetch(server.url);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe(server.contentType);
    expect(parse(await answer.text()).get('presisi_memory_bytes{state="total"}')).toBeGreaterThan(1e6);
    expect((await fetch(server.url.replace('metrics', ''))).status).toBe(404);
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(405);

    const port = Number(new URL(server.url).port);
    const error = await presisiRejection(startPrometheus({ port }), 'ERR_PRESISI_INVALID_ARGUMENT');
    expect(error.message).toBe(`cannot listen on 127.0.0.1, port ${port}: another program listens there`);
    await server.close();
    await server.close();
    await presisiRejection(server.text(), 'ERR_PRESISI_DISPOSED');
    await expect(fetch(server.url)).rejects.toThrow();
  });

  test.each([
    [{ port: 70000 }, 'Expected an integer between 0 and 65535 for options.port but received 70000 of type number'],
    [{ port: 0, host: '' }, 'Expected an address for options.host but received "" of type string'],
    [{ port: 0, speed: 1 }, 'options has no option "speed"'],
  ])('%j is refused', async (options, message) => {
    const error = await presisiRejection(startPrometheus(options as never), 'ERR_PRESISI_INVALID_ARGUMENT');
    expect(error.message).toBe(message);
  });

  test('presisi monitor --prometheus', async () => {
    let text = '';
    const ready = (stdout: string) => stdout.includes('"type":"sample"');
    const { code } = await interrupted(['--json', '--root', ORIN, '--prometheus', '0'], ready, async (stdout) => {
      text = await (await fetch(linesOf(stdout.slice(0, stdout.indexOf('\n')))[0]?.metrics ?? '')).text();
    });
    expect(code).toBe(0);
    expect(parse(text).get('presisi_gpu_load_ratio{gpu="0"}')).toBeCloseTo(0.63, 2);
  });
});
