// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "backend/networks.h"
#include "support/builders.h"
#include "tightrope/error.h"
#include "tightrope/openvino.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

using test::bytes_of;
using test::constant;
using test::Folder;
using test::FullDisk;
using test::network;
using test::op;
using test::parameter;
using test::small_network;
using test::text_of;
using test::wave_sample;
using test::wave_samples;
using test::weights;
using test::while_writing;
using test::write;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Throws;
using testing::ThrowsMessage;

namespace fs = std::filesystem;

const Shape kSampleShape = {1, 3, 6, 6};

// Weights of 400 kB.
std::shared_ptr<ov::Model> large_network() {
  const auto x = parameter("x", {1, 200});
  return network({{"y", op<ov::op::v0::MatMul>("fc", x, weights("w", {200, 500}))}}, {x});
}

TEST(Save, WritesBothFilesOfAnIr) {
  const Folder folder;
  const auto model = from_openvino(small_network());
  model->save(folder / "model.xml");
  EXPECT_THAT(folder.files(), ElementsAre("model.bin", "model.xml"));
  EXPECT_THAT(model->files_of(folder / "model.xml"), ElementsAre(folder / "model.xml", folder / "model.bin"));
  const auto read = read_openvino(folder / "model.xml");
  EXPECT_EQ(read->compile()->run(wave_sample(kSampleShape))[0].to_floats(),
            model->compile()->run(wave_sample(kSampleShape))[0].to_floats());
}

TEST(Save, ReplacesWhatWasThere) {
  const Folder folder;
  write(folder / "model.xml", "old");
  write(folder / "model.bin", "old");
  from_openvino(small_network())->save(folder / "model.xml");
  EXPECT_NO_THROW(read_openvino(folder / "model.xml"));
}

TEST(Save, NeedsAFolder) {
  const Folder folder;
  const auto model = from_openvino(small_network());
  EXPECT_THAT([&] { model->save(folder / "no/model.xml"); }, Throws<IoError>(while_writing(true)));
  write(folder / "file", "");
  EXPECT_THAT([&] { model->save(folder / "file/model.xml"); }, ThrowsMessage<IoError>(HasSubstr("file/model.xml")));
  EXPECT_THAT(folder.files(), ElementsAre("file"));
}

TEST(Save, LeavesNothingBehindOnAFullDisk) {
  const Folder folder;
  write(folder / "model.xml", "old xml");
  write(folder / "model.bin", "old bin");
  const auto model = from_openvino(large_network());
  for (const rlim_t bytes : {0U, 500U, 100000U, 399999U}) {
    const FullDisk disk(bytes);
    EXPECT_THAT([&] { model->save(folder / "model.xml"); }, Throws<IoError>(while_writing(true))) << bytes;
  }
  EXPECT_THAT(folder.files(), ElementsAre("model.bin", "model.xml"));
  EXPECT_EQ(bytes_of(folder / "model.xml"), "old xml");
  EXPECT_EQ(bytes_of(folder / "model.bin"), "old bin");
}

TEST(Save, WritesNothingWhereAFolderHasTheName) {
  for (const char* name : {"model.xml", "model.bin"}) {
    const Folder folder;
    fs::create_directories(folder / name / "inside");
    EXPECT_THAT([&] { from_openvino(small_network())->save(folder / "model.xml"); },
                Throws<IoError>(while_writing(true)));
    EXPECT_THAT(folder.files(), ElementsAre(name));
  }
}

TEST(Save, NeedsTheNameOfAnXmlFile) {
  const Folder folder;
  const auto model = from_openvino(small_network());
  for (const char* name : {"model.bin", "model", "model.onnx"}) {
    EXPECT_THAT([&] { model->save(folder / name); }, ThrowsMessage<IoError>(AllOf(HasSubstr(name), HasSubstr(".xml"))))
        << name;
  }
  EXPECT_THAT(folder.files(), IsEmpty());
}

TEST(Save, GivesTheSameBytesForTheSamePlan) {
  const Folder folder;
  const auto first = quantize(*from_openvino(small_network()), *dataset_of(wave_samples(kSampleShape, 20)));
  const auto second = quantize(*from_openvino(small_network()), *dataset_of(wave_samples(kSampleShape, 20)));
  first.model->save(folder / "first.xml");
  second.model->save(folder / "second.xml");
  EXPECT_EQ(to_json(first.plan), to_json(second.plan));
  EXPECT_TRUE(bytes_of(folder / "first.bin") == bytes_of(folder / "second.bin"));
  EXPECT_TRUE(bytes_of(folder / "first.xml") == bytes_of(folder / "second.xml"));
  EXPECT_THAT(bytes_of(folder / "first.xml"), HasSubstr("relu1/fq_output_0"));

  const auto base = from_openvino(small_network());
  base->apply(plan_from_json(to_json(first.plan)))->save(folder / "a.xml");
  base->apply(first.plan)->save(folder / "b.xml");
  EXPECT_TRUE(bytes_of(folder / "a.xml") == bytes_of(folder / "b.xml"));
  EXPECT_TRUE(bytes_of(folder / "a.bin") == bytes_of(folder / "first.bin"));
}

TEST(Save, ChangesNothingInTheModel) {
  const Folder folder;
  const auto model = small_network();
  const std::string before = text_of(*model);
  from_openvino(model)->save(folder / "model.xml");
  EXPECT_EQ(text_of(*model), before);
}

TEST(Save, KeepsTheQuantizedModelRunning) {
  const Folder folder;
  const auto result = quantize(*from_openvino(small_network()), *dataset_of(wave_samples(kSampleShape, 4)));
  result.model->save(folder / "model.xml");
  EXPECT_LT(fs::file_size(folder / "model.bin"), 3000U) << "weights take a byte each";
  auto request =
      ov::Core()
          .compile_model((folder / "model.xml").string(), "CPU", ov::hint::inference_precision(ov::element::f32))
          .create_infer_request();
  auto values = test::waves(108);
  request.set_input_tensor(ov::Tensor(ov::element::f32, {1, 3, 6, 6}, values.data()));
  request.infer();
  const auto expected = result.model->compile()->run(wave_sample(kSampleShape))[0].to_floats();
  const auto found = request.get_output_tensor(0);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found.data<float>()[i], expected[i], 1e-4F);
}

TEST(Note, SurvivesSavingAndReading) {
  const Folder folder;
  const std::string text = "{\n \"quotes\": \"<&'\\\"> ö\",\n\t\"status\": \"met\"}\n";
  const auto model = from_openvino(small_network())->apply({});
  EXPECT_EQ(model->note("report"), "");
  model->set_note("report", "old");
  model->set_note("report", text);
  model->set_note("other", "b");
  EXPECT_EQ(model->note("report"), text);
  model->save(folder / "model.xml");
  const auto read = read_openvino(folder / "model.xml");
  EXPECT_EQ(read->note("report"), text);
  EXPECT_EQ(read->note("other"), "b");
  EXPECT_EQ(read->note("none"), "");
}

TEST(Note, HoldsTheReportOfAQuantizedModel) {
  const Folder folder;
  const auto result = quantize(*from_openvino(small_network()), *dataset_of(wave_samples(kSampleShape, 4)));
  result.model->save(folder / "model.xml");
  const std::string text = read_openvino(folder / "model.xml")->note(std::string(kReportNote));
  EXPECT_EQ(text, result.model->note(std::string(kReportNote)));
  EXPECT_EQ(report_from_json(text).quantized, result.report.quantized);
  EXPECT_THAT(text, Not(HasSubstr("seconds")));
}

TEST(Read, ExplainsAMissingFile) {
  const Folder folder;
  EXPECT_THAT([&] { read_openvino(folder / "model.xml"); }, Throws<IoError>(while_writing(false)));
  EXPECT_THAT([&] { read_openvino(folder / "model.xml"); },
              ThrowsMessage<IoError>(AllOf(HasSubstr("model.xml"), HasSubstr("does not exist"))));
  from_openvino(small_network())->save(folder / "model.xml");
  fs::remove(folder / "model.bin");
  EXPECT_THAT([&] { read_openvino(folder / "model.xml"); }, ThrowsMessage<IoError>(HasSubstr("model.xml")));
}

TEST(Read, ExplainsWhatIsNoModel) {
  const Folder folder;
  write(folder / "garbage.xml", "<net><garbage");
  write(folder / "empty.xml", "");
  write(folder / "garbage.onnx", "garbage");
  for (const char* name : {"garbage.xml", "empty.xml", "garbage.onnx"}) {
    EXPECT_THAT([&] { read_openvino(folder / name); }, ThrowsMessage<IoError>(HasSubstr(name))) << name;
  }
  EXPECT_THAT([&] { read_openvino(folder.path()); }, ThrowsMessage<IoError>(HasSubstr("is a folder")));
}

TEST(Read, RefusesTruncatedWeights) {
  const Folder folder;
  from_openvino(large_network())->save(folder / "model.xml");
  for (const std::uintmax_t size : {399999U, 1000U, 0U}) {
    fs::resize_file(folder / "model.bin", size);
    EXPECT_THAT([&] { read_openvino(folder / "model.xml"); }, ThrowsMessage<IoError>(HasSubstr("model.xml"))) << size;
  }
}

TEST(Read, FindsTheWeightsAgainInTheSameFiles) {
  const Folder folder;
  const auto model = from_openvino(small_network());
  model->save(folder / "model.xml");
  const auto read = read_openvino(folder / "model.xml");
  // A model may be written over the files that it was read from, which the runtime maps into memory.
  read->save(folder / "model.xml");
  EXPECT_EQ(read->compile()->run(wave_sample(kSampleShape))[0].to_floats(),
            model->compile()->run(wave_sample(kSampleShape))[0].to_floats());
  EXPECT_EQ(read_openvino(folder / "model.xml")->compile()->run(wave_sample(kSampleShape))[0].to_floats(),
            model->compile()->run(wave_sample(kSampleShape))[0].to_floats());
}

}  // namespace
}  // namespace tightrope
