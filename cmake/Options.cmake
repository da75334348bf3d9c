# Language, warnings, sanitizers. Everything that a preset may switch is declared here.

option(PX_WERROR "warnings are errors" OFF)
option(PX_TESTS "build the tests" ON)
option(PX_COVERAGE "gcov counters" OFF)
option(PX_FUZZ "build tests/fuzz with libFuzzer (clang)" OFF)
option(PX_COUNT_COPIES "wrap memcpy and memmove and count large copies (tests only)" OFF)
set(PX_SANITIZE "" CACHE STRING "value of -fsanitize=, or empty")

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)

# Asserts stay on in every build: they cost little and turn a silent fault into a message.
foreach(type RELEASE RELWITHDEBINFO MINSIZEREL)
    string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${type} "${CMAKE_C_FLAGS_${type}}")
endforeach()

add_compile_options(
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla
    -Wformat=2 $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation> # messages are cut on purpose
    -Wpointer-arith -Wwrite-strings
    # Distances must come out the same on every CPU: no fused or reordered floating point.
    -ffp-contract=off -fno-math-errno -fno-strict-aliasing
    -fstack-protector-strong -fno-omit-frame-pointer)
add_link_options(-Wl,-z,relro,-z,now)
if(PX_WERROR)
    add_compile_options(-Werror)
endif()
if(PX_SANITIZE)
    add_compile_options(-fsanitize=${PX_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${PX_SANITIZE})
    add_compile_definitions(PX_SANITIZED=1)
    if(PX_SANITIZE STREQUAL "thread")
        add_compile_definitions(PX_SANITIZED_THREAD=1)
    endif()
elseif(NOT PX_COUNT_COPIES)
    add_compile_options($<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()
if(PX_COUNT_COPIES)
    # Every copy is a call that the linker can send elsewhere: none is expanded in place, and none is
    # made through the builtins of _FORTIFY_SOURCE. tests/CMakeLists.txt links the wrappers.
    add_compile_options(-fno-builtin-memcpy -fno-builtin-memmove -fno-builtin-mempcpy)
endif()
if(PX_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link) # libFuzzer follows the branches taken
endif()
if(PX_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
