// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "tightrope/error.h"

namespace tightrope {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

const Facts kFacts = {{"model", "1a"}, {"validation data", "2b"}, {"subset_size", "300"}};

class AStore : public testing::Test {
 protected:
  AStore() { fs::remove_all(folder); }
  ~AStore() override { fs::remove_all(folder); }
  fs::path folder = fs::path(testing::TempDir()) / ("store" + std::to_string(getpid())) / "new";
};

TEST_F(AStore, FindsWhatAnEarlierOneOfTheSameFactsKept) {
  {
    Store store(folder, kFacts);
    EXPECT_EQ(store.find("plan"), std::nullopt);
    store.keep("plan", "old");
    store.keep("plan", std::string("new\0 and more", 13));
  }
  const Store store(folder, kFacts);
  EXPECT_EQ(store.find("plan"), std::string("new\0 and more", 13));
  EXPECT_EQ(store.difference(), "");
}

TEST_F(AStore, KeepsRunsOfOtherFactsApartAndSaysWhatDiffers) {
  Store(folder, kFacts).keep("plan", "first");
  {
    Store other(folder, {{"model", "1a"}, {"validation data", "2c"}, {"subset_size", "100"}});
    EXPECT_EQ(other.difference(), "the validation data are other ones, and subset_size was 300 and is 100");
    EXPECT_EQ(other.find("plan"), std::nullopt);
    other.keep("plan", "second");
  }
  const Store again(folder, kFacts);
  EXPECT_EQ(again.find("plan"), "first");
  EXPECT_EQ(again.difference(), "");
}

TEST_F(AStore, SurvivesTheEndOfItsProcessAtAnyMoment) {
  for (int round = 0; round < 8; ++round) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
      Store store(folder, kFacts);
      for (int i = 0;; ++i) {
        store.keep("number " + std::to_string(round), std::to_string(i));
        if (write(ready[1], "x", 1) != 1) _exit(1);
      }
    }
    char kept[8];
    ssize_t count = 0;
    while (count <= round) count += read(ready[0], kept, 1);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
    const Store store(folder, kFacts);
    const auto found = store.find("number " + std::to_string(round));
    ASSERT_TRUE(found);
    EXPECT_GE(std::stoi(*found), round) << "what was kept before the kill is lost";
    EXPECT_TRUE(store.find("number 0"));
  }
}

TEST_F(AStore, RefusesASecondProcessAtATime) {
  const Store store(folder, kFacts);
  EXPECT_THAT([&] { Store(folder, kFacts); }, ThrowsMessage<IoError>(HasSubstr("another process uses it")));
}

TEST_F(AStore, RefusesAFileOfSomethingElse) {
  fs::create_directories(folder);
  std::ofstream(folder / "tightrope.sqlite") << std::string(4096, 'x');
  EXPECT_THAT([&] { Store(folder, kFacts); },
              ThrowsMessage<IoError>(AllOf(HasSubstr("tightrope.sqlite"), HasSubstr("not a store"))));
}

TEST_F(AStore, NeedsAFolder) {
  fs::create_directories(folder.parent_path());
  std::ofstream(folder.string()) << "a file";
  EXPECT_THAT([&] { Store(folder, kFacts); }, ThrowsMessage<IoError>(HasSubstr("a folder is needed")));
}

}  // namespace
}  // namespace tightrope
