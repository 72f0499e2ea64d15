export { type BackendInfo, backends, type OperatorInfo, operators } from './backends.js';
export {
  type CachedCalibration,
  type Calibration,
  type CalibrationFingerprint,
  type CalibrationMethod,
  type CalibrationTable,
  type FeedCalibration,
  type ImageCalibration,
  readCalibration,
  type Threshold,
} from './calibration.js';
export {
  Engine,
  type EngineMetadata,
  type Inspection,
  type InspectOptions,
  type LoadEngineOptions,
  loadEngine,
} from './engine.js';
export { PresisiError, type PresisiErrorCode } from './errors.js';
export type { ImageSource, Images } from './images.js';
export { type Candidate, type InferOptions, infer, type Prediction } from './infer.js';
export type { Decision, Layer, Progress } from './native.js';
export type { Kernel, Preprocessing } from './preprocess.js';
export { quantize } from './quantize.js';
export type { Phase, Precision, QuantizeOptions, QuantizeResult } from './quantize-options.js';
export type { ElementType, Feeds, Tensor, TensorData, TensorInfo, TensorInput } from './tensor.js';
