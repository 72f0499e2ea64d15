import type { Results, Variant } from '../results.js';

const FRAMEWORKS = { presisi: 'presisi', onnxruntime: 'ONNX Runtime', pytorch: 'PyTorch' };

/** What people call a baseline. */
export const frameworkName = (framework: Variant['framework']): string => FRAMEWORKS[framework];

/** `INT8, entropy of 192`, `FP16 on tensorrt`, `ONNX Runtime`; the backend is said where there are several. */
export function labelOf({ framework, backend, precision, calibration }: Variant, severalBackends = false): string {
  const kind = precision.toUpperCase();
  if (framework !== 'presisi')
    return precision === 'fp32' ? frameworkName(framework) : `${frameworkName(framework)} ${kind}`;
  const where = severalBackends && backend !== undefined ? `${kind} on ${backend}` : kind;
  return calibration === undefined ? where : `${where}, ${calibration.method} of ${calibration.samples}`;
}

/** The backends of presisi's variants. */
export const backendsOf = ({ variants }: Pick<Results, 'variants'>): string[] => [
  ...new Set(variants.flatMap(({ backend }) => (backend === undefined ? [] : [backend]))),
];
