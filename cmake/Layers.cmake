# The layers of tools/layers.txt as build targets: one object library px_<folder> per folder of src/,
# so that a folder that does not compile keeps nobody from building what is below it.

set(PX_LAYERS "")        # every folder that has sources, lowest first
set(PX_ENGINE_LAYERS "") # those of libproximadb

set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/layers.txt)
file(STRINGS ${CMAKE_SOURCE_DIR}/tools/layers.txt layer_lines)
set(in_engine TRUE)
foreach(line IN LISTS layer_lines)
    if(line MATCHES "^# ---- libproximadb ends here")
        set(in_engine FALSE)
    elseif(NOT line MATCHES "^extern" AND line MATCHES "^([a-z]+) +:(.*)$")
        set(layer ${CMAKE_MATCH_1})
        string(REGEX REPLACE "#.*" "" below "${CMAKE_MATCH_2}")
        string(REGEX MATCHALL "[a-z]+" PX_BELOW_${layer} "${below}")
        file(GLOB PX_SOURCES_${layer} CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${layer}/*.c)
        # A main() is part of the program only, so that tests can link its folder.
        list(FILTER PX_SOURCES_${layer} EXCLUDE REGEX "/main\\.c$")
        if(PX_SOURCES_${layer})
            list(APPEND PX_LAYERS ${layer})
            if(in_engine)
                list(APPEND PX_ENGINE_LAYERS ${layer})
            endif()
        endif()
    endif()
endforeach()
list(FIND PX_LAYERS cli cli_index)
if(cli_index GREATER -1)
    set(PX_HAVE_CLI TRUE)
endif()

# What a folder needs from outside.
set(PX_LIBRARIES_base Threads::Threads PkgConfig::XXHASH)
set(PX_LIBRARIES_codec PkgConfig::ZSTD PkgConfig::DEFLATE ${PX_YYJSON_TARGET})
set(PX_OBJECTS_codec ${PX_YYJSON_OBJECTS})
set(PX_LIBRARIES_http PkgConfig::NGHTTP2 ${PX_LLHTTP_TARGET})
set(PX_OBJECTS_http ${PX_LLHTTP_OBJECTS})
set(PX_LIBRARIES_simd m)
set(PX_LIBRARIES_model m)

# Generated sources of a folder.
set(generated ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${generated})
file(GLOB schema_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/schemas/*.avsc)
foreach(file IN LISTS schema_files)
    get_filename_component(name ${file} NAME)
    string(REGEX REPLACE "\\.avsc$" "" name ${name})
    string(REGEX REPLACE "[^A-Za-z0-9]" "_" symbol px_schema_${name})
    px_embed(${symbol} ${file} ${generated}/${symbol}.c)
    list(APPEND PX_GENERATED_avro ${generated}/${symbol}.c)
endforeach()

# The contract and the protocols that the server describes by reflection, as one descriptor set.
set(proto_files ${CMAKE_SOURCE_DIR}/proto/proximadb/v1/proximadb.proto)
file(GLOB more_proto_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/proto/grpc/*/*/*.proto)
list(APPEND proto_files ${more_proto_files})
add_custom_command(OUTPUT ${generated}/descriptors.bin
    COMMAND ${PROTOC} -I ${CMAKE_SOURCE_DIR}/proto --include_imports
        --descriptor_set_out=${generated}/descriptors.bin ${proto_files}
    DEPENDS ${proto_files} VERBATIM)
px_embed(px_proto_descriptors ${generated}/descriptors.bin ${generated}/px_proto_descriptors.c)
set(PX_GENERATED_rpc ${generated}/px_proto_descriptors.c)

# The description of the REST interface, which the server gives out.
px_embed(px_rest_openapi ${CMAKE_SOURCE_DIR}/docs/openapi.json ${generated}/px_rest_openapi.c)
set(PX_GENERATED_rest ${generated}/px_rest_openapi.c)

# px_closure(VARIABLE LAYERS...): the folders and all below them.
function(px_closure variable)
    set(result "")
    set(todo ${ARGN})
    while(todo)
        list(POP_FRONT todo layer)
        if(NOT layer IN_LIST result)
            list(APPEND result ${layer})
            list(APPEND todo ${PX_BELOW_${layer}})
        endif()
    endwhile()
    set(present "")
    foreach(layer IN LISTS result)
        if(layer IN_LIST PX_LAYERS)
            list(APPEND present ${layer})
        endif()
    endforeach()
    set(${variable} ${present} PARENT_SCOPE)
endfunction()

function(px_layer_objects variable)
    set(objects "")
    foreach(layer IN LISTS ARGN)
        list(APPEND objects $<TARGET_OBJECTS:px_${layer}> ${PX_OBJECTS_${layer}})
    endforeach()
    set(${variable} ${objects} PARENT_SCOPE)
endfunction()

function(px_layer_libraries variable)
    set(libraries "")
    foreach(layer IN LISTS ARGN)
        list(APPEND libraries ${PX_LIBRARIES_${layer}})
    endforeach()
    list(REMOVE_DUPLICATES libraries)
    set(${variable} ${libraries} PARENT_SCOPE)
endfunction()

# Files that alone get the flags of a CPU level.
function(px_set_cpu_flags)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
        set(flags_hardware "-msse4.2")
        set(flags_avx2 "-mavx2 -mfma -mf16c -mbmi2")
        set(flags_avx512
            "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c -mbmi2")
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
        set(flags_hardware "-march=armv8-a+crc")
        set(flags_neon "")
    endif()
    foreach(level hardware avx2 avx512 neon)
        file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*/*_${level}.c)
        foreach(file IN LISTS files)
            set_property(SOURCE ${file} APPEND_STRING PROPERTY COMPILE_FLAGS " ${flags_${level}}")
        endforeach()
    endforeach()
endfunction()

macro(px_add_layers)
    px_set_cpu_flags()
    foreach(layer IN LISTS PX_LAYERS)
        add_library(px_${layer} OBJECT ${PX_SOURCES_${layer}} ${PX_GENERATED_${layer}})
        target_include_directories(px_${layer} PRIVATE ${CMAKE_SOURCE_DIR}/src
            ${CMAKE_SOURCE_DIR}/include)
        px_closure(below ${layer})
        px_layer_libraries(libraries ${below})
        target_link_libraries(px_${layer} PRIVATE ${libraries})
    endforeach()
endmacro()
