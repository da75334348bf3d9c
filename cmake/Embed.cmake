# px_embed(SYMBOL FILE OUTPUT): a C source with the bytes of FILE, made when FILE changes:
#   const unsigned char SYMBOL[]; const size_t SYMBOL_size_bytes;   (a NUL follows the bytes)
function(px_embed symbol file output)
    add_custom_command(OUTPUT ${output}
        COMMAND ${CMAKE_COMMAND} -D SYMBOL=${symbol} -D INPUT=${file} -D OUTPUT=${output}
            -P ${CMAKE_SOURCE_DIR}/cmake/EmbedFile.cmake
        DEPENDS ${file} ${CMAKE_SOURCE_DIR}/cmake/EmbedFile.cmake
        VERBATIM)
endfunction()
