# Libraries from outside: Debian's packages where it has them, otherwise a release from a package
# registry, pinned by its hash and unpacked into the build folder.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(DEFLATE REQUIRED IMPORTED_TARGET libdeflate)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
if(PX_TESTS)
    pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()
find_program(PROTOC protoc REQUIRED)

# px_fetch(NAME URL SHA256 FOLDER_VARIABLE): unpacks an archive once; sets where it is.
function(px_fetch name url sha256 folder_variable)
    set(folder ${CMAKE_BINARY_DIR}/_deps/${name})
    if(NOT EXISTS ${folder}/.unpacked)
        # One download serves every preset.
        set(cache ${CMAKE_SOURCE_DIR}/build/downloads)
        get_filename_component(file ${url} NAME)
        message(STATUS "fetching ${url}")
        file(DOWNLOAD ${url} ${cache}/${file} EXPECTED_HASH SHA256=${sha256} TLS_VERIFY ON
            STATUS status)
        list(GET status 0 code)
        if(NOT code EQUAL 0)
            list(GET status 1 reason)
            message(FATAL_ERROR "cannot fetch ${url}: ${reason}. Check the network, or install the "
                "library where CMake finds it.")
        endif()
        file(ARCHIVE_EXTRACT INPUT ${cache}/${file} DESTINATION ${folder})
        file(TOUCH ${folder}/.unpacked)
    endif()
    set(${folder_variable} ${folder} PARENT_SCOPE)
endfunction()

# yyjson: in Debian from 13 on. Its source is part of the Python package yyjson.
find_package(yyjson QUIET)
if(yyjson_FOUND)
    add_library(px_yyjson ALIAS yyjson::yyjson)
    set(PX_YYJSON_TARGET yyjson::yyjson)
else()
    px_fetch(yyjson
        https://files.pythonhosted.org/packages/12/2d/3c940adc6315b33f2c0409c0bb4346bb7d910e2088e2f82b9e854d0190f2/yyjson-4.0.6.tar.gz
        fcd4dc15c1e39a30bf9fa85d56903029111506860fc3080ab0d81c6c6dacaa8c folder)
    add_library(px_yyjson_objects OBJECT ${folder}/yyjson-4.0.6/yyjson/yyjson.c)
    target_compile_options(px_yyjson_objects PRIVATE -w)
    add_library(px_yyjson_headers INTERFACE)
    target_include_directories(px_yyjson_headers SYSTEM INTERFACE ${folder}/yyjson-4.0.6/yyjson)
    set(PX_YYJSON_TARGET px_yyjson_headers)
    set(PX_YYJSON_OBJECTS $<TARGET_OBJECTS:px_yyjson_objects>)
endif()

# llhttp, Node's HTTP/1.1 parser: in Debian from 13 on. Its generated C is part of the Python package
# httptools.
find_package(llhttp QUIET)
if(llhttp_FOUND)
    set(PX_LLHTTP_TARGET llhttp::llhttp)
else()
    px_fetch(llhttp
        https://files.pythonhosted.org/packages/3a/ec/deed52912ab7ca6c0b12859330c571c60c61d7267b341b28951fcbf13694/httptools-0.9.0.tar.gz
        d484ebb7e3a3f3597b0f645fbd1b85633674ca808c1f5ba11c2caf7c66f5c8b6 folder)
    set(folder ${folder}/httptools-0.9.0/vendor/llhttp)
    add_library(px_llhttp_objects OBJECT
        ${folder}/src/llhttp.c ${folder}/src/api.c ${folder}/src/http.c)
    target_compile_options(px_llhttp_objects PRIVATE -w)
    target_include_directories(px_llhttp_objects PRIVATE ${folder}/include)
    add_library(px_llhttp_headers INTERFACE)
    target_include_directories(px_llhttp_headers SYSTEM INTERFACE ${folder}/include)
    set(PX_LLHTTP_TARGET px_llhttp_headers)
    set(PX_LLHTTP_OBJECTS $<TARGET_OBJECTS:px_llhttp_objects>)
endif()
