#include "backend/cpu/onednn.hpp"

#include <xxhash.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "core/error.hpp"

namespace presisi::cpu {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::primitive_attr;
using dnnl::prop_kind;

#define PRESISI_DNNL3 (DNNL_VERSION_MAJOR >= 3)

void rethrow(const dnnl::error& error, const std::string& doing) {
  const ErrorCode code = error.status == dnnl_out_of_memory ? ErrorCode::OutOfMemory : ErrorCode::Internal;
  throw Error(code, "oneDNN failed in " + doing + ": " + error.what());
}

const dnnl::engine& cpuEngine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::data_type toOneDnn(DType dtype) {
  switch (dtype) {
    case DType::Float32: return memory::data_type::f32;
    case DType::Uint8: return memory::data_type::u8;
    case DType::Int8: return memory::data_type::s8;
    case DType::Int32: return memory::data_type::s32;
    default: throw Error(ErrorCode::Internal, std::string("no oneDNN type for ") + name(dtype));
  }
}

namespace {

memory::desc rowMajor(DType dtype, const Dims& dims) {
  memory::dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<int64_t>(dims[i], 1);
  return {dims, toOneDnn(dtype), strides};
}

}  // namespace

memory::desc describe(DType dtype, const Dims& dims) {
  if (dims.size() == 4) return {dims, toOneDnn(dtype), memory::format_tag::nhwc};
  return rowMajor(dtype, dims);
}

PostOp PostOp::activation(dnnl::algorithm algorithm, float alpha, float beta) {
  PostOp op;
  op.algorithm = algorithm;
  op.alpha = alpha;
  op.beta = beta;
  return op;
}

PostOp PostOp::sum(DType dtype, float scale) {
  PostOp op;
  op.kind = Kind::Sum;
  op.sumType = dtype;
  op.sumScale = scale;
  return op;
}

bool PostOp::homogeneous() const {
  return kind == Kind::Sum || algorithm == algorithm::eltwise_relu || algorithm == algorithm::eltwise_clip;
}

namespace {

/// "Unimplemented" is an answer; anything else is an error.
template <typename F>
bool created(F&& create) {
  try {
    create();
    return true;
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) return false;
    rethrow(error, "creating a primitive");
  }
}

#if PRESISI_DNNL3

memory scaleMemory(const std::vector<float>& scales) {
  memory m({{static_cast<int64_t>(scales.size())}, memory::data_type::f32, memory::format_tag::x}, cpuEngine());
  std::copy(scales.begin(), scales.end(), static_cast<float*>(m.get_data_handle()));
  return m;
}

primitive_attr attributes(const std::vector<PostOp>& postOps, const Quantization& q, int weightsMask, Primitive& out) {
  primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops ops;
  for (const PostOp& op : postOps) {
    if (op.kind == PostOp::Kind::Sum) {
      ops.append_sum(op.sumScale, 0, toOneDnn(op.sumType));
    } else if (op.algorithm == algorithm::eltwise_hardswish) {
      ops.append_eltwise(op.algorithm, 1.0f / 6.0f, 0.5f);
    } else {
      ops.append_eltwise(op.algorithm, op.alpha, op.beta);
    }
  }
  attr.set_post_ops(ops);
  if (q.integer) {
    attr.set_scales_mask(DNNL_ARG_SRC, 0);
    attr.set_scales_mask(DNNL_ARG_WEIGHTS, weightsMask);
    out.constants[DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC] = scaleMemory({q.source});
    out.constants[DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS] = scaleMemory(q.weights);
    if (q.destination > 0) {
      attr.set_scales_mask(DNNL_ARG_DST, 0);
      out.constants[DNNL_ARG_ATTR_SCALES | DNNL_ARG_DST] = scaleMemory({q.destination});
    }
  }
  return attr;
}

#else

// 2.x: destination = postOps(outputScale * (sum + bias)). Dividing by the destination's scale is folded into the output
// scale when everything behind is homogeneous, else into the last activation that is not.
primitive_attr attributes(const std::vector<PostOp>& postOps, const Quantization& q, int /*weightsMask*/,
                          Primitive& out) {
  primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const float requantize = q.integer && q.destination > 0 ? 1.0f / q.destination : 1.0f;
  int lastCurved = -1;
  for (size_t i = 0; i < postOps.size(); ++i) {
    if (!postOps[i].homogeneous()) lastCurved = static_cast<int>(i);
  }
  if (q.integer) {
    std::vector<float> scales(q.weights.size());
    out.biasFactor.resize(q.weights.size());
    for (size_t c = 0; c < scales.size(); ++c) {
      const float real = q.source * q.weights[c];
      out.biasFactor[c] = 1.0f / real;
      scales[c] = lastCurved < 0 ? real * requantize : real;
    }
    attr.set_output_scales(1 << 1, scales);
  }
  dnnl::post_ops ops;
  for (size_t i = 0; i < postOps.size(); ++i) {
    const PostOp& op = postOps[i];
    const int index = static_cast<int>(i);
    const float unit = index > lastCurved ? requantize : 1.0f;
    if (op.kind == PostOp::Kind::Sum) {
      ops.append_sum(op.sumScale * unit, 0, toOneDnn(op.sumType));
    } else if (op.algorithm == algorithm::eltwise_clip) {
      ops.append_eltwise(1.0f, op.algorithm, op.alpha * unit, op.beta * unit);
    } else {
      ops.append_eltwise(index == lastCurved ? requantize : 1.0f, op.algorithm, op.alpha, op.beta);
    }
  }
  attr.set_post_ops(ops);
  return attr;
}

#endif

memory::dims zeroBased(const Dims& dilations) {
  memory::dims out(dilations);
  for (int64_t& d : out) d -= 1;
  return out;
}

template <typename Pd>
void finish(const Pd& pd, Primitive& out) {
  out.primitive = dnnl::primitive(pd);
  out.scratchpad = pd.scratchpad_desc();
  out.kernel = pd.impl_info_str();
}

}  // namespace

bool createConvolution(const ConvolutionSpec& spec, Primitive& out) {
  return created([&] {
    const memory::desc source = describe(spec.sourceType, spec.source);
    const memory::desc destination = describe(spec.destinationType, spec.destination);
    const memory::desc weights(spec.weights, toOneDnn(spec.weightsType), memory::format_tag::any);
    const bool grouped = spec.weights.size() == spec.source.size() + 1;
    const memory::desc bias =
        spec.bias ? memory::desc({spec.destination[1]}, memory::data_type::f32, memory::format_tag::x) : memory::desc();
    Primitive made;
    const primitive_attr attr = attributes(spec.postOps, spec.quantization, grouped ? 3 : 1, made);
#if PRESISI_DNNL3
    const dnnl::convolution_forward::primitive_desc pd(
        cpuEngine(), prop_kind::forward_inference, algorithm::convolution_direct, source, weights, bias, destination,
        spec.strides, zeroBased(spec.dilations), spec.padBegin, spec.padEnd, attr);
#else
    const dnnl::convolution_forward::desc description(prop_kind::forward_inference, algorithm::convolution_direct,
                                                      source, weights, bias, destination, spec.strides,
                                                      zeroBased(spec.dilations), spec.padBegin, spec.padEnd);
    const dnnl::convolution_forward::primitive_desc pd(description, attr, cpuEngine());
#endif
    finish(pd, made);
    made.source = pd.src_desc();
    made.weights = pd.weights_desc();
    made.bias = bias;
    made.destination = pd.dst_desc();
    out = std::move(made);
  });
}

bool createInnerProduct(const MatrixSpec& spec, Primitive& out) {
  return created([&] {
    const memory::desc source = describe(spec.sourceType, {spec.rows, spec.inner});
    const memory::desc destination = describe(spec.destinationType, {spec.rows, spec.columns});
    const memory::desc weights({spec.columns, spec.inner}, toOneDnn(spec.weightsType), memory::format_tag::any);
    const memory::desc bias =
        spec.bias ? memory::desc({spec.columns}, memory::data_type::f32, memory::format_tag::x) : memory::desc();
    Primitive made;
    const primitive_attr attr = attributes(spec.postOps, spec.quantization, 1, made);
#if PRESISI_DNNL3
    const dnnl::inner_product_forward::primitive_desc pd(cpuEngine(), prop_kind::forward_inference, source, weights,
                                                         bias, destination, attr);
#else
    const dnnl::inner_product_forward::desc description(prop_kind::forward_inference, source, weights, bias,
                                                        destination);
    const dnnl::inner_product_forward::primitive_desc pd(description, attr, cpuEngine());
#endif
    finish(pd, made);
    made.source = source;
    made.weights = pd.weights_desc();
    made.bias = bias;
    made.destination = destination;
    out = std::move(made);
  });
}

bool createPooling(const PoolingSpec& spec, Primitive& out) {
  return created([&] {
    const memory::desc source = describe(spec.dtype, spec.source);
    const memory::desc destination = describe(spec.dtype, spec.destination);
    primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    Primitive made;
#if PRESISI_DNNL3
    const dnnl::pooling_forward::primitive_desc pd(
        cpuEngine(), prop_kind::forward_inference, spec.algorithm, source, destination, spec.strides, spec.kernel,
        memory::dims(spec.kernel.size(), 0), spec.padBegin, spec.padEnd, attr);
#else
    const dnnl::pooling_forward::desc description(prop_kind::forward_inference, spec.algorithm, source, destination,
                                                  spec.strides, spec.kernel, spec.padBegin, spec.padEnd);
    const dnnl::pooling_forward::primitive_desc pd(description, attr, cpuEngine());
#endif
    finish(pd, made);
    made.source = source;
    made.destination = destination;
    out = std::move(made);
  });
}

bool createMatMul(const Dims& a, const Dims& b, const Dims& c, Primitive& out) {
  return created([&] {
    const memory::desc left = rowMajor(DType::Float32, a);
    const memory::desc right = rowMajor(DType::Float32, b);
    const memory::desc product = rowMajor(DType::Float32, c);
    primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    Primitive made;
#if PRESISI_DNNL3
    const dnnl::matmul::primitive_desc pd(cpuEngine(), left, right, product, attr);
#else
    const dnnl::matmul::desc description(left, right, product);
    const dnnl::matmul::primitive_desc pd(description, attr, cpuEngine());
#endif
    finish(pd, made);
    made.source = left;
    made.weights = right;
    made.destination = product;
    out = std::move(made);
  });
}

std::string layoutKey(const memory::desc& description) {
#if PRESISI_DNNL3
  const std::vector<uint8_t> blob = const_cast<memory::desc&>(description).get_blob();
  const void* data = blob.data();
  const size_t bytes = blob.size();
#else
  const void* data = &description.data;
  const size_t bytes = sizeof description.data;
#endif
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016" PRIx64, static_cast<uint64_t>(XXH64(data, bytes, 0)));
  return oneDnnVersion() + ":" + digits;
}

std::optional<BlockedLayout> blockedLayout(const memory::desc& description) {
  BlockedLayout layout;
#if PRESISI_DNNL3
  if (description.get_format_kind() != memory::format_kind::blocked) return std::nullopt;
  // Whether the numbers were halved for instructions that saturate isn't told: those of bytes without VNNI.
  const std::string isa = effectiveIsa();
  if (description.get_data_type() == memory::data_type::s8 && isa.find("vnni") == std::string::npos &&
      isa.find("amx") == std::string::npos && isa.find("bf16") == std::string::npos && isa != "aarch64") {
    return std::nullopt;
  }
  layout.dims = description.get_dims();
  layout.padded = description.get_padded_dims();
  layout.strides = description.get_strides();
  const memory::dims axes = description.get_inner_idxs();
  const memory::dims lengths = description.get_inner_blks();
  for (size_t i = 0; i < axes.size(); ++i) layout.blocks.emplace_back(static_cast<int>(axes[i]), lengths[i]);
#else
  const dnnl_memory_desc_t& d = description.data;
  constexpr uint64_t kKeepsNumbers =
      dnnl_memory_extra_flag_compensation_conv_s8s8 | dnnl_memory_extra_flag_compensation_conv_asymmetric_src;
  if (d.format_kind != dnnl_blocked || d.offset0 != 0 || (d.extra.flags & ~kKeepsNumbers) != 0) return std::nullopt;
  const dnnl_blocking_desc_t& blocking = d.format_desc.blocking;
  layout.dims.assign(d.dims, d.dims + d.ndims);
  layout.padded.assign(d.padded_dims, d.padded_dims + d.ndims);
  layout.strides.assign(blocking.strides, blocking.strides + d.ndims);
  for (int i = 0; i < blocking.inner_nblks; ++i) {
    layout.blocks.emplace_back(static_cast<int>(blocking.inner_idxs[i]), blocking.inner_blks[i]);
  }
#endif
  return layout;
}

memory packWeights(const Tensor& weights, const Dims& dims, const memory::desc& wanted) {
  memory from(rowMajor(weights.dtype(), dims), cpuEngine(), const_cast<void*>(weights.data<void>()));
  memory to(wanted, cpuEngine());
  dnnl::stream stream(cpuEngine());
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
  return to;
}

std::string oneDnnVersion() {
  const dnnl_version_t* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}

std::string effectiveIsa() {
#if defined(__x86_64__)
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41: return "sse41";
    case dnnl::cpu_isa::avx: return "avx";
    case dnnl::cpu_isa::avx2: return "avx2";
    case dnnl::cpu_isa::avx2_vnni: return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core: return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni: return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16: return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx: return "avx512_core_amx";
    default: return "x86_64";
  }
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "generic";
#endif
}

std::string int8Instructions() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const std::string isa = effectiveIsa();
  if (isa.find("amx") != std::string::npos) return "amx_int8";
  if (isa.find("avx512") == 0 && __builtin_cpu_supports("avx512vnni")) return "avx512_vnni";
  if (isa == "avx2_vnni") return "avx_vnni";
#elif defined(__aarch64__)
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) return "dotprod";
#endif
  return "";
}

bool int8Saturates() { return int8Instructions().empty() && effectiveIsa() != "aarch64"; }

}  // namespace presisi::cpu
