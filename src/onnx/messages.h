// SPDX-License-Identifier: Apache-2.0
// Looking into the messages of an ONNX graph.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "onnx/onnx_model.h"

namespace tightrope::onnx {

// Null where the node has no such attribute.
const proto::AttributeProto* find_attribute(const proto::NodeProto& node, std::string_view name);
std::int64_t int_attribute(const proto::NodeProto& node, std::string_view name, std::int64_t otherwise);
float float_attribute(const proto::NodeProto& node, std::string_view name, float otherwise);
std::string_view text_attribute(const proto::NodeProto& node, std::string_view name, std::string_view otherwise);
std::vector<std::int64_t> ints_attribute(const proto::NodeProto& node, std::string_view name);
// Replace the attribute where the node has it.
void set_attribute(proto::NodeProto& node, std::string_view name, std::int64_t value);
void set_attribute(proto::NodeProto& node, std::string_view name, const std::vector<std::int64_t>& values);
void set_attribute(proto::NodeProto& node, std::string_view name, std::string_view text);
void remove_attribute(proto::NodeProto& node, std::string_view name);

// Empty where the node has no such input or output, or leaves it out.
const std::string& input_of(const proto::NodeProto& node, int port);
const std::string& output_of(const proto::NodeProto& node, int port);

// True for the operators of the standard itself, which no function of the model replaces.
bool is_standard(const proto::NodeProto& node, const proto::ModelProto& model);

// Values that the bodies of a node (If, Loop, Scan) take from outside, each once.
std::vector<std::string> captured_by(const proto::NodeProto& node);

// Values that something in the graph reads: nodes, bodies, or whoever asks for its outputs.
std::unordered_set<std::string> read_values(const proto::GraphProto& graph);

// Visits the tensors of a model wherever they are: initializers, sparse ones and attributes, in bodies and functions,
// too.
void for_each_tensor(proto::ModelProto& model, const std::function<void(proto::TensorProto&)>& visit);

// "node 'conv1' (Conv)"
std::string described(const proto::NodeProto& node);

// Indices of the nodes, producers before consumers, otherwise in their order in the file. Throws InvalidArgument for
// cycles, for values that nobody gives and for values that are given twice.
std::vector<int> sorted_nodes(const proto::GraphProto& graph);

}  // namespace tightrope::onnx
