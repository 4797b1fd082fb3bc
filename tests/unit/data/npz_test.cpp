// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <unistd.h>
#include <zlib.h>

#include <cstring>
#include <fstream>
#include <random>

#include "tightrope/dataset.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(i < 8 ? value >> 8 * i & 0xFF : 0);
  return text;
}

template <typename T>
std::string raw(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// A .npy member of any version.
std::string npy(const std::string& dtype, const std::string& shape, const std::string& data, bool fortran = false,
                int version = 1) {
  const std::string header =
      "{'descr': '" + dtype + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }\n";
  return std::string("\x93NUMPY") + static_cast<char>(version) + '\0' +
         little_endian(header.size(), version == 1 ? 2 : 4) + header + data;
}

std::string deflated(const std::string& data) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, data.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct Member {
  std::string name;
  std::string content;
  bool deflate = false;
  bool zip64 = false;
  std::uint64_t claimed_size = 0;  // 0: the true one
  bool wrong_crc = false;
  int flags = 0;
  int method = -1;  // -1: as `deflate` says
};

std::string zip(const std::vector<Member>& members) {
  std::string file;
  std::string directory;
  for (const Member& member : members) {
    const std::string packed = member.deflate ? deflated(member.content) : member.content;
    const std::uint64_t size = member.claimed_size != 0 ? member.claimed_size : member.content.size();
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(member.content.data()), static_cast<uInt>(member.content.size()));
    const int method = member.method >= 0 ? member.method : member.deflate ? 8 : 0;
    const std::string common = little_endian(20, 2) + little_endian(static_cast<std::uint64_t>(member.flags), 2) +
                               little_endian(static_cast<std::uint64_t>(method), 2) + little_endian(0, 4) +
                               little_endian(crc + (member.wrong_crc ? 1 : 0), 4);
    const std::string extra = member.zip64 ? little_endian(1, 2) + little_endian(24, 2) + little_endian(size, 8) +
                                                 little_endian(packed.size(), 8) + little_endian(file.size(), 8)
                                           : "";
    const auto field = [&](std::uint64_t value) { return little_endian(member.zip64 ? 0xFFFFFFFFu : value, 4); };
    directory += "PK\x01\x02" + little_endian(20, 2) + common + field(packed.size()) + field(size) +
                 little_endian(member.name.size(), 2) + little_endian(extra.size(), 2) + little_endian(0, 10) +
                 field(file.size()) + member.name + extra;
    file += "PK\x03\x04" + common + little_endian(packed.size(), 4) + little_endian(size, 4) +
            little_endian(member.name.size(), 2) + little_endian(0, 2) + member.name + packed;
  }
  const std::size_t start = file.size();
  return file + directory + "PK\x05\x06" + little_endian(0, 4) + little_endian(members.size(), 2) +
         little_endian(members.size(), 2) + little_endian(directory.size(), 4) + little_endian(start, 4) +
         little_endian(0, 2);
}

class Npz : public ::testing::Test {
 protected:
  Npz() : path_(std::filesystem::temp_directory_path() / ("tightrope_npz_" + std::to_string(getpid()) + ".npz")) {}
  ~Npz() override {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  void write(const std::string& content) { std::ofstream(path_, std::ios::binary) << content; }

  std::vector<Sample> read(const std::string& content, const std::string& labels = {}, std::size_t batch = 1) {
    write(content);
    const auto data = read_npz(path_, labels, batch);
    std::vector<Sample> samples;
    const SampleReader next = data->read();
    while (auto sample = next()) samples.push_back(std::move(*sample));
    EXPECT_EQ(data->size(), samples.size());
    return samples;
  }

  // The single array of an archive, joined again.
  Tensor array(const Member& member) { return read(zip({member}), {}, 1000).at(0).inputs.at(0).tensor; }

  template <typename Exception>
  std::string refusal(const std::string& content, const std::string& labels = {}) {
    try {
      read(content, labels);
    } catch (const Exception& error) {
      return error.what();
    } catch (const std::exception& error) {
      return std::string("another exception: ") + error.what();
    }
    return "no exception";
  }

  std::filesystem::path path_;
};

const std::vector<float> kSix = {1, 2, 3, 4, 5, 6};

TEST_F(Npz, StoredAndDeflatedArraysOfEveryVersionAreRead) {
  for (const int version : {1, 2, 3}) {
    for (const bool deflate : {false, true}) {
      for (const bool zip64 : {false, true}) {
        const Tensor tensor = array({"x.npy", npy("<f4", "(2, 3)", raw(kSix), false, version), deflate, zip64});
        EXPECT_EQ(tensor.shape(), (Shape{2, 3}));
        EXPECT_EQ(tensor.type(), ElementType::kF32);
        EXPECT_EQ(tensor.to_floats(), kSix);
      }
    }
  }
}

TEST_F(Npz, EveryNumericTypeIsRead) {
  const auto type = [&](const std::string& dtype, const std::string& data) {
    const Tensor tensor = array({"x.npy", npy(dtype, "(2,)", data)});
    EXPECT_EQ(tensor.to_floats(), (std::vector<float>{1, 0})) << dtype;
    return tensor.type();
  };
  EXPECT_EQ(type("|b1", raw<std::uint8_t>({1, 0})), ElementType::kBoolean);
  EXPECT_EQ(type("|i1", raw<std::int8_t>({1, 0})), ElementType::kI8);
  EXPECT_EQ(type("<i2", raw<std::int16_t>({1, 0})), ElementType::kI16);
  EXPECT_EQ(type("<i4", raw<std::int32_t>({1, 0})), ElementType::kI32);
  EXPECT_EQ(type("<i8", raw<std::int64_t>({1, 0})), ElementType::kI64);
  EXPECT_EQ(type("|u1", raw<std::uint8_t>({1, 0})), ElementType::kU8);
  EXPECT_EQ(type("<u2", raw<std::uint16_t>({1, 0})), ElementType::kU16);
  EXPECT_EQ(type("<u4", raw<std::uint32_t>({1, 0})), ElementType::kU32);
  EXPECT_EQ(type("<u8", raw<std::uint64_t>({1, 0})), ElementType::kU64);
  EXPECT_EQ(type("<f2", raw<std::uint16_t>({0x3C00, 0})), ElementType::kF16);
  EXPECT_EQ(type("<f4", raw<float>({1, 0})), ElementType::kF32);
  EXPECT_EQ(type("<f8", raw<double>({1, 0})), ElementType::kF64);
}

TEST_F(Npz, FortranOrderIsTransposed) {
  const std::vector<float> columns = {1, 4, 2, 5, 3, 6};
  EXPECT_EQ(array({"x.npy", npy("<f4", "(2, 3)", raw(columns), true)}).to_floats(), kSix);
  const std::vector<std::uint8_t> three_axes = {0, 4, 2, 6, 1, 5, 3, 7};
  EXPECT_EQ(array({"x.npy", npy("|u1", "(2, 2, 2)", raw(three_axes), true)}).to_floats(),
            (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(Npz, BigEndianNumbersAreSwapped) {
  const std::string data("\x00\x01\x02\x00", 4);
  EXPECT_EQ(array({"x.npy", npy(">i2", "(2,)", data)}).to_floats(), (std::vector<float>{1, 512}));
}

TEST_F(Npz, LargeDeflatedArraysComeInPieces) {
  std::vector<float> values(200000);
  std::mt19937 random(1);
  for (float& value : values) value = static_cast<float>(random() % 1000);
  EXPECT_EQ(array({"x.npy", npy("<f4", "(2, 100000)", raw(values)), true}).to_floats(), values);
}

TEST_F(Npz, ItemsAreSlicesAlongTheFirstAxisWithTheirLabels) {
  const auto samples = read(zip({{"a.npy", npy("<f4", "(3, 2)", raw(kSix))},
                                 {"y.npy", npy("<i8", "(3,)", raw<std::int64_t>({7, 8, 9}))},
                                 {"b.npy", npy("|u1", "(3, 1)", raw<std::uint8_t>({10, 11, 12}))}}),
                            "y");
  ASSERT_EQ(samples.size(), 3u);
  ASSERT_EQ(samples[1].inputs.size(), 2u);
  EXPECT_EQ(samples[1].inputs[0].name, "a");
  EXPECT_EQ(samples[1].inputs[0].tensor.shape(), (Shape{1, 2}));
  EXPECT_THAT(samples[1].inputs[0].tensor.to_floats(), ElementsAre(3, 4));
  EXPECT_EQ(samples[1].inputs[1].name, "b");
  EXPECT_THAT(samples[1].inputs[1].tensor.to_floats(), ElementsAre(11));
  EXPECT_THAT(samples[1].label.to_doubles(), ElementsAre(8));
}

TEST_F(Npz, TheLastPartialBatchIsKept) {
  const auto samples = read(zip({{"a.npy", npy("<f4", "(3, 2)", raw(kSix))}}), {}, 2);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].inputs[0].tensor.shape(), (Shape{2, 2}));
  EXPECT_THAT(samples[1].inputs[0].tensor.to_floats(), ElementsAre(5, 6));
}

TEST_F(Npz, TheDataCanBeReadAgainAndBySeveralReaders) {
  write(zip({{"a.npy", npy("<f4", "(6, 1)", raw(kSix))}}));
  const auto data = read_npz(path_);
  const SampleReader first = data->read();
  first();
  const SampleReader second = data->read();
  EXPECT_THAT(second()->inputs[0].tensor.to_floats(), ElementsAre(1));
  EXPECT_THAT(first()->inputs[0].tensor.to_floats(), ElementsAre(2));
}

TEST_F(Npz, ArraysWithoutItemsGiveAnEmptyDataset) {
  EXPECT_TRUE(read(zip({{"a.npy", npy("<f4", "(0, 2)", "")}})).empty());
}

TEST_F(Npz, ArraysOfUnequalLengthAreRefusedNamingBoth) {
  EXPECT_THAT(refusal<InvalidArgument>(
                  zip({{"a.npy", npy("<f4", "(3, 2)", raw(kSix))}, {"b.npy", npy("<f4", "(6,)", raw(kSix))}})),
              AllOf(HasSubstr("'a' has 3"), HasSubstr("'b' has 6")));
}

TEST_F(Npz, ASingleNumberIsNoArrayOfItems) {
  EXPECT_THAT(refusal<InvalidArgument>(zip({{"a.npy", npy("<f4", "()", raw<float>({1}))}})),
              HasSubstr("single number"));
}

TEST_F(Npz, MissingLabelsAreRefusedNamingTheArraysThatAreThere) {
  const std::string file = zip({{"image.npy", npy("<f4", "(6,)", raw(kSix))}});
  EXPECT_THAT(refusal<InvalidArgument>(file, "label"), AllOf(HasSubstr("'label'"), HasSubstr("'image'")));
  EXPECT_THAT(refusal<InvalidArgument>(file, "image"), HasSubstr("only the labels"));
}

TEST_F(Npz, OtherElementTypesAreRefusedNamingArrayAndType) {
  for (const std::string dtype : {"<U5", "|S3", "|O", "<c8", "<M8[ns]", "|V2", "<f16"}) {
    EXPECT_THAT(refusal<IoError>(zip({{"names.npy", npy(dtype, "(1,)", "0123456789")}})),
                AllOf(HasSubstr("'names'"), HasSubstr("'" + dtype + "'")));
  }
}

TEST_F(Npz, AMissingFileAFolderAndOtherFilesAreRefused) {
  EXPECT_THROW(read_npz(path_.string() + ".missing"), IoError);
  EXPECT_THROW(read_npz(path_.parent_path()), IoError);
  EXPECT_THAT(refusal<IoError>(""), HasSubstr("no zip archive"));
  EXPECT_THAT(refusal<IoError>("PK"), HasSubstr("no zip archive"));
  EXPECT_THAT(refusal<IoError>(npy("<f4", "(6,)", raw(kSix))), HasSubstr("no zip archive"));
  EXPECT_THAT(refusal<IoError>(zip({})), HasSubstr("no arrays"));
  EXPECT_THAT(refusal<IoError>(zip({{"readme.txt", "hello"}})), HasSubstr("no arrays"));
}

TEST_F(Npz, DamagedMembersAreRefusedByName) {
  const std::string content = npy("<f4", "(6,)", raw(kSix));
  EXPECT_THAT(refusal<IoError>(zip({{.name = "x.npy", .content = content, .wrong_crc = true}})),
              AllOf(HasSubstr(path_.string()), HasSubstr("'x.npy'"), HasSubstr("checksum")));
  EXPECT_THAT(refusal<IoError>(zip({{.name = "x.npy", .content = content, .flags = 1}})), HasSubstr("encrypted"));
  EXPECT_THAT(refusal<IoError>(zip({{.name = "x.npy", .content = content, .method = 12}})), HasSubstr("method 12"));
  EXPECT_THAT(refusal<IoError>(zip({{.name = "x.npy", .content = content, .method = 8}})), HasSubstr("compressed"));
  EXPECT_THAT(refusal<IoError>(zip({{"x.npy", "not an array at all"}})), HasSubstr(".npy format"));
  EXPECT_THAT(refusal<IoError>(zip({{"x.npy", npy("<f4", "(6,)", "short")}})), HasSubstr("does not fit"));
  EXPECT_THAT(refusal<IoError>(zip({{"x.npy", npy("<f4", "(-6,)", raw(kSix))}})), HasSubstr("header"));
  EXPECT_THAT(refusal<IoError>(zip({{"x.npy", npy("<f4", "(6", raw(kSix))}})), HasSubstr("header"));
  EXPECT_THAT(refusal<IoError>(zip({{"x.npy", npy("<f4", "(6,)", raw(kSix), false, 4)}})), HasSubstr("version 4"));
  EXPECT_THAT(refusal<IoError>(zip({{"x.npy", content.substr(0, 20)}})), HasSubstr("header"));
  EXPECT_THAT(refusal<IoError>(zip({{"x.npy", content}, {"x.npy", content}})), HasSubstr("twice"));
}

TEST_F(Npz, AbsurdSizesAreRefusedWithoutAllocatingThem) {
  const std::string huge = "(1099511627776, 1048576)";
  EXPECT_THAT(refusal<IoError>(zip({{"x.npy", npy("<f4", huge, raw(kSix))}})), HasSubstr("does not fit"));
  for (const bool deflate : {false, true}) {
    Member member{
        .name = "x.npy", .content = npy("<f4", "(274877906944,)", raw(kSix)), .deflate = deflate, .zip64 = true};
    member.claimed_size = member.content.size() - 24 + (std::uint64_t{4} << 38);
    EXPECT_THAT(refusal<IoError>(zip({member})), HasSubstr("more than the file can hold"));
  }
}

TEST_F(Npz, EveryTruncationIsAnError) {
  const std::string file =
      zip({{"a.npy", npy("<f4", "(6,)", raw(kSix)), true}, {"b.npy", npy("<f4", "(6,)", raw(kSix))}});
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_THAT(refusal<IoError>(file.substr(0, size)), HasSubstr(path_.string())) << size;
  }
}

TEST_F(Npz, FlippedBitsGiveAnErrorOrTheSameArraysButNoCrash) {
  const std::string file = zip({{"a.npy", npy("<f4", "(6,)", raw(kSix)), true, true}});
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    try {
      const auto samples = read(damaged);
      EXPECT_LE(samples.size(), 6u);
    } catch (const Error&) {
    }
  }
}

TEST_F(Npz, ABatchOfNothingIsRefused) {
  write(zip({{"a.npy", npy("<f4", "(6,)", raw(kSix))}}));
  EXPECT_THROW(read_npz(path_, {}, 0), InvalidArgument);
}

TEST(DatasetOf, GivesTheSamplesInOrderAndAgain) {
  const std::vector<float> one = {1}, two = {2};
  const auto data = dataset_of({{.inputs = {{"x", Tensor::copy_of(std::span<const float>(one), {1})}}, .label = {}},
                                {.inputs = {{"x", Tensor::copy_of(std::span<const float>(two), {1})}}, .label = {}}});
  EXPECT_EQ(data->size(), 2u);
  for (int pass = 0; pass < 2; ++pass) {
    const SampleReader next = data->read();
    EXPECT_THAT(next()->inputs[0].tensor.to_floats(), ElementsAre(1));
    EXPECT_THAT(next()->inputs[0].tensor.to_floats(), ElementsAre(2));
    EXPECT_FALSE(next());
    EXPECT_FALSE(next());
  }
}

}  // namespace
}  // namespace tightrope
