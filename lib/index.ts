export type { PrecisionAudit, Shares } from './audit.js';
export { type BackendInfo, backends, type OperatorInfo, operators } from './backends.js';
export { type Benchmark, type BenchmarkOptions, benchmark, type Latency } from './benchmark.js';
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
export { type CharacterizeOptions, characterize } from './characterize/characterize.js';
export { compare } from './characterize/compare/compare.js';
export type {
  ComparedFigure,
  ComparedResults,
  ComparedVariant,
  Comparison,
} from './characterize/compare/comparison.js';
export type { Experiment, ExperimentOptions } from './characterize/experiment.js';
export { readResults } from './characterize/read.js';
export type { Energy, Resources, Results, Variant } from './characterize/results.js';
export type { CharacterizeProgress } from './characterize/run/progress.js';
export type { Characterization } from './characterize/run/run.js';
export { recommend } from './characterize/summary/recommend.js';
export { summarize } from './characterize/summary/summarize.js';
export type {
  BreakEven,
  Claim,
  Estimate,
  Limits,
  Ratio,
  Recommendation,
  Summary,
  VariantSummary,
} from './characterize/summary.js';
export type { Candidate, Prediction, Timings } from './classifier.js';
export { type ConvertOptions, convert } from './convert/convert.js';
export {
  type Architecture,
  type ArchitectureDescription,
  architectures,
  describeArchitecture,
  type MakeModelOptions,
  makeModel,
} from './convert/models.js';
export type { ConvertResult, OnnxOptions, Scaling } from './convert/options.js';
export type { Dataset, DatasetFormat, DatasetOptions, Sample, Skipped } from './datasets/dataset.js';
export type { Flowers102Split } from './datasets/flowers102.js';
export { openDataset } from './datasets/open.js';
export { type DatasetSource, parseDatasetSource } from './datasets/source.js';
export {
  Engine,
  type EngineMetadata,
  type Inspection,
  type InspectOptions,
  type LoadEngineOptions,
  loadEngine,
} from './engine.js';
export { PresisiError, type PresisiErrorCode } from './errors.js';
export {
  type ClassResult,
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  type PicturePrediction,
} from './evaluate.js';
export type { Reference } from './evaluate-agreement.js';
export type { ImageSource, Images, RawImage } from './images.js';
export { type InferOptions, infer } from './infer.js';
export type { Decision, Layer, LogEntry, Progress } from './native.js';
export { type ExtractedPlan, extractPlan } from './plan.js';
export type { Kernel, Preprocessing } from './preprocess.js';
export { quantize } from './quantize.js';
export type { Precision, QuantizeOptions, QuantizeResult } from './quantize-options.js';
export { type ReportFormat, type ReportOptions, type WrittenReport, writeReport } from './report/report.js';
export type { Share } from './statistics.js';
export { energyOf } from './telemetry/energy.js';
export { monitor } from './telemetry/monitor.js';
export {
  type Exposition,
  exposition,
  type PrometheusOptions,
  type PrometheusServer,
  startPrometheus,
} from './telemetry/prometheus.js';
export { type Recording, record } from './telemetry/recorder.js';
export { resourcesOf } from './telemetry/resources.js';
export { type TelemetryOptions, telemetrySources } from './telemetry/telemetry.js';
export { differenceOf, integralOf, meanOf, peakOf, sliceTimeline } from './telemetry/timeline.js';
export type {
  Quantity,
  Sample as TelemetrySample,
  SamplerStatistics,
  SourceStatus,
  Span,
  Timeline,
} from './telemetry/types.js';
export type { ElementType, Feeds, Tensor, TensorData, TensorInfo, TensorInput } from './tensor.js';
export type { ShapeProfile, TensorRtOptions, TensorRtSessionOptions } from './tensorrt.js';
