// Quantizes a model with the pictures of one folder, then classifies those of another.
//   classify <model.onnx> <calibration folder> <test folder>
import { infer, loadEngine, quantize } from 'presisi';

const [model = '', pictures = '', unseen = ''] = process.argv.slice(2);
await quantize(model, { precision: 'int8', calibration: { images: pictures }, output: 'model.engine' });
const engine = await loadEngine('model.engine');
for (const { image, top } of await infer(engine, unseen, { topK: 1 })) console.log(image, top[0]?.index, top[0]?.score);
await engine.dispose();
