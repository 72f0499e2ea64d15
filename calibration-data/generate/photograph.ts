import sharp from 'sharp';
import type { Species } from './anatomy.js';
import type { Random } from './random.js';
import { drawScene } from './scene.js';

/** What the camera and the light do to a scene. */
interface Exposure {
  readonly gain: readonly [red: number, green: number, blue: number];
  readonly contrast: number;
  readonly gamma: number;
  /** Direction and strength of the light's fall-off across the picture. */
  readonly slope: readonly [x: number, y: number];
  readonly noise: number;
}

function chooseExposure(random: Random): Exposure {
  const brightness = random.normal(1, 0.14);
  const warmth = random.normal(0, 0.075);
  const angle = random.range(0, 2 * Math.PI);
  const fall = random.range(0, 0.36);
  return {
    gain: [brightness * (1 + warmth), brightness, brightness * (1 - warmth)],
    contrast: random.range(0.72, 1.16),
    gamma: random.range(0.8, 1.25),
    slope: [fall * Math.cos(angle), fall * Math.sin(angle)],
    noise: 1 + 7 * random.next() ** 2.2,
  };
}

/** Applies light, tone and sensor noise to RGB pixels, in place. */
function expose(pixels: Uint8Array, width: number, height: number, exposure: Exposure, random: Random): void {
  const curve = Float32Array.from({ length: 256 }, (_, v) => {
    const toned = (v / 255) ** exposure.gamma;
    return 255 * (0.5 + (toned - 0.5) * exposure.contrast);
  });
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const light = 1 + exposure.slope[0] * (x / width - 0.5) * 2 + exposure.slope[1] * (y / height - 0.5) * 2;
      // Three uniforms make noise close enough to normal, most of it shared by the channels.
      const grey = (random.next() + random.next() + random.next() - 1.5) * 2 * exposure.noise;
      for (let c = 0; c < 3; c += 1, at += 1) {
        const tint = (random.next() - 0.5) * exposure.noise;
        const value = (curve[pixels[at] as number] as number) * light * (exposure.gain[c] as number);
        pixels[at] = Math.min(255, Math.max(0, Math.round(value + grey + tint)));
      }
    }
  }
}

/** Renders one picture of a species and returns it as JPEG. */
export async function photograph(species: Species, random: Random): Promise<Buffer> {
  const scene = drawScene(species, random);
  const focus = random.chance(0.6) ? random.range(0.5, 1.7) : 0;
  const exposure = chooseExposure(random);
  const quality = random.int(35, 90);
  let canvas = sharp(Buffer.from(scene.svg)).removeAlpha();
  if (focus > 0) canvas = canvas.blur(focus);
  const { data, info } = await canvas.raw().toBuffer({ resolveWithObject: true });
  expose(data, info.width, info.height, exposure, random);
  return sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: '4:2:0', optimiseCoding: true })
    .toBuffer();
}
