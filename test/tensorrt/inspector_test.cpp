#include "backend/tensorrt/inspector.hpp"

#include <doctest/doctest.h>

using namespace presisi;
using namespace presisi::tensorrt;

namespace {

using Names = std::vector<std::string>;

const std::map<std::string, NodeFacts> kFacts{
    {"conv1", {"Conv", "int8", 1000}}, {"relu1", {"Relu", "", 0}}, {"fc", {"Gemm", "int8", 50}}};

}  // namespace

TEST_CASE("names of fused layers are taken apart") {
  CHECK(splitLayerName("conv1 + relu1") == Names{"conv1", "relu1"});
  CHECK(splitLayerName("a || b") == Names{"a", "b"});
  CHECK(splitLayerName("PWN(PWN(sigmoid_1), mul_2)") == Names{"sigmoid_1", "mul_2"});
  CHECK(splitLayerName("conv, the first") == Names{"conv, the first"});
  CHECK(splitLayerName("/block/conv(1)") == Names{"/block/conv(1)"});
  CHECK(splitLayerName("").empty());
}

TEST_CASE("precisions are recognised in each generation's words") {
  CHECK(precisionIn("Thirty-two wide channel vectorized row major Int8 format") == "int8");
  CHECK(precisionIn("Row major linear FP32") == "fp32");
  CHECK(precisionIn("Channel major FP16 format where channel % 8 == 0") == "fp16");
  CHECK(precisionIn("Half") == "fp16");
  CHECK(precisionIn("Float") == "fp32");
  CHECK(precisionIn("BFloat16") == "bf16");
  CHECK(precisionIn("UInt8") == "uint8");
  CHECK(precisionIn("Int64") == "int64");
  CHECK(precisionIn("N/A due to dynamic shapes").empty());
}

TEST_CASE("a detailed description gives precision, kernel, nodes, sizes and reformats") {
  const auto layers = parseLayers(R"({"Layers": [
    {"Name": "Reformatting CopyNode for Input Tensor 0 to conv1 + relu1", "LayerType": "Reformat",
     "Inputs": [{"Name": "x", "Dimensions": [1,3,8,8], "Format/Datatype": "Row major linear FP32"}],
     "Outputs": [{"Name": "r", "Dimensions": [1,3,8,8], "Format/Datatype": "Four wide channel vectorized row major Int8 format"}]},
    {"Name": "conv1 + relu1", "LayerType": "CaskConvolution",
     "Inputs": [{"Name": "r", "Dimensions": [1,3,8,8], "Format/Datatype": "Four wide channel vectorized row major Int8 format"}],
     "Outputs": [{"Name": "y", "Dimensions": [1,4,8,8], "Format/Datatype": "Row major linear FP16 format"}],
     "Weights": {"Type": "Int8", "Count": 108}, "Bias": {"Type": "Float", "Count": 4},
     "TacticName": "sm80_xmma_fprop_implicit_gemm_i8i8_i8i32_f32", "Metadata": "[ONNX Layer: conv1]\u001e[ONNX Layer: relu1]"},
    {"Name": "fc", "LayerType": "gemm", "TacticName": "sm80_xmma_gemm_f16f16_f16f16",
     "Inputs": [{"Dimensions": [1,256], "Format": "Row major linear", "Datatype": "Half"}],
     "Outputs": [{"Dimensions": [1,10], "Format": "Row major linear", "Datatype": "Half"}]}], "Bindings": ["x", "y"]})",
                                  kFacts);
  REQUIRE(layers.size() == 3);
  CHECK(layers[0].reformat);
  CHECK(layers[0].precision == "int8");
  CHECK(layers[0].requested.empty());
  CHECK(layers[0].fused.empty());
  CHECK(layers[1].op == "CaskConvolution");
  CHECK(layers[1].requested == "int8");
  CHECK(layers[1].precision == "int8");
  CHECK(layers[1].reason.empty());
  CHECK(layers[1].fused == Names{"conv1", "relu1"});
  CHECK(layers[1].macs == 1000);
  CHECK(layers[1].weightBytes == 108 + 16);
  CHECK(layers[1].activationBytes == 3 * 64 + 4 * 64 * 2);
  CHECK(layers[1].outputDims == Dims{1, 4, 8, 8});
  CHECK(layers[1].kernel == "sm80_xmma_fprop_implicit_gemm_i8i8_i8i32_f32");
  CHECK(layers[1].format == "Row major linear FP16 format");
  CHECK(layers[2].requested == "int8");
  CHECK(layers[2].precision == "fp16");
  CHECK(layers[2].format == "Row major linear");
  CHECK(layers[2].reason.find("fp16") != std::string::npos);
}

TEST_CASE("names alone give layers without a precision") {
  const auto layers = parseLayers(R"({"Layers": ["conv1 + relu1", "fc"], "Bindings": ["x"]})", kFacts);
  REQUIRE(layers.size() == 2);
  CHECK(layers[0].fused == Names{"conv1", "relu1"});
  CHECK(layers[0].macs == 1000);
  CHECK(layers[0].precision.empty());
  CHECK(layers[0].reason.empty());
}

TEST_CASE("text that isn't quite JSON is read, and what isn't at all gives nothing") {
  const auto layers =
      parseLayers("{\"Layers\": [{\"Name\": \"a\x1f\", \"Alpha\": nan, \"Beta\": -inf, \"LayerType\": \"X\"}]}", {});
  REQUIRE(layers.size() == 1);
  CHECK(layers[0].op == "X");
  for (const char* text : {"", "[]", "{}", "{\"Layers\": 3}", "{\"Layers\": [", "null"})
    CHECK(parseLayers(text, {}).empty());
}

TEST_CASE("hostile descriptions are no more than odd layers") {
  const auto layers =
      parseLayers(R"({"Layers": [3, null, {"Name": 5, "Inputs": 7, "Outputs": [1, {"Dimensions": [1e300, -1, "a"]},
    {"Dimensions": [2147483647, 2147483647, 2147483647], "Format/Datatype": "Row major linear FP32"}],
    "Weights": {"Type": "Float", "Count": 9223372036854775807}, "Metadata": "[ONNX Layer: "}]})",
                  {});
  REQUIRE(layers.size() == 3);
  CHECK(layers[2].weightBytes == 0);
  CHECK(layers[2].activationBytes == 0);
  CHECK(layers[2].name.empty());
}
