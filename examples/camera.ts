// Classifies what a camera sees: JPEG frames on stdin, one after the other. When the network can't keep up, it takes the
// latest frame and leaves out those before; with --all the stream waits instead, which suits recordings. On any Linux:
//   ffmpeg -loglevel error -f v4l2 -i /dev/video0 -f mjpeg - | npx tsx examples/camera.ts model.engine
// and with a CSI camera of a Jetson, whose driver has messages for stdout, which must not get in between:
//   gst-launch-1.0 -q nvarguscamerasrc ! nvjpegenc ! fdsink fd=3 3>&1 1>&2 | npx tsx examples/camera.ts model.engine
import { addAbortSignal } from 'node:stream';
import { infer, loadEngine } from 'presisi';
import { Failure, program, readArguments, UsageError } from './command.js';
import { JpegSplitter, latestOf } from './mjpeg.js';

/** Frames that the rate is averaged over. */
const WINDOW = 30;

await program('camera <engine> [--all] < stream of JPEG frames', async (signal) => {
  const { positionals, values } = readArguments(1, { all: { type: 'boolean', default: false } });
  if (process.stdin.isTTY) throw new UsageError('pipe a stream of JPEG frames into it');
  const engine = await loadEngine(positionals[0] as string);
  const splitter = new JpegSplitter();
  const times: number[] = [];
  let classified = 0;
  let dropped = 0;
  let unreadable = 0;

  async function* frames(): AsyncGenerator<Buffer> {
    for await (const chunk of addAbortSignal(signal, process.stdin)) yield* splitter.push(chunk as Buffer);
  }

  try {
    const source = values.all ? frames() : latestOf(frames(), () => (dropped += 1));
    for await (const frame of source) {
      const [prediction] = await infer(engine, frame, { topK: 1, onBadImage: 'skip', signal });
      const best = prediction?.top[0];
      if (best === undefined) {
        unreadable += 1;
        continue;
      }
      classified += 1;
      times.push(performance.now());
      if (times.length > WINDOW) times.shift();
      const seconds = ((times.at(-1) as number) - (times[0] as number)) / 1000;
      const rate = seconds > 0 ? `${((times.length - 1) / seconds).toFixed(1)} frames/s` : '';
      console.log(`${best.label ?? `class ${best.index}`}  ${(100 * best.score).toFixed(1)} %  ${rate}`);
    }
  } catch (error) {
    if (!signal.aborted) throw error; // Ctrl-C is how a camera is meant to end
  } finally {
    await engine.dispose();
  }
  const skipped = splitter.damaged + unreadable;
  if (classified === 0 && !signal.aborted) throw new Failure('there was no JPEG picture in the stream');
  console.error(`${classified} frames classified, ${dropped} left out, ${skipped} damaged`);
});
