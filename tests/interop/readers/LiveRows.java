/*
 * Reads a collection with parquet-java. Paths are those of the manifest, below STORE.
 *
 *   java LiveRows STORE PART... -- DELETES...       the live rows of the parts, less expired ones, as JSON lines
 *   java LiveRows --pages FILE (COLUMN VALUE)...    for each of these a line: rows that are left of the file for COLUMN = VALUE
 *                                                   when only statistics are used, only bloom filters, and only page indexes
 *   java LiveRows --range FILE                      rows for readers that go by ranges of bytes, which here is the whole file
 *
 * Numbers are printed as text that loses no bit: a vector as 8 hex digits a float, a double as 16.
 */
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.apache.parquet.ParquetReadOptions;
import org.apache.parquet.conf.PlainParquetConfiguration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.convert.GroupRecordConverter;
import org.apache.parquet.filter2.compat.FilterCompat;
import org.apache.parquet.filter2.predicate.FilterApi;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.api.ReadSupport;
import org.apache.parquet.hadoop.example.GroupReadSupport;
import org.apache.parquet.io.InputFile;
import org.apache.parquet.io.LocalInputFile;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.Type;

public class LiveRows {
    static class Rows extends ParquetReader.Builder<Group> {
        Rows(Path path) {
            super(new LocalInputFile(path), new PlainParquetConfiguration());
        }

        @Override
        protected ReadSupport<Group> getReadSupport() {
            return new GroupReadSupport();
        }
    }

    public static void main(String[] words) throws IOException {
        if (words[0].equals("--pages")) {
            for (int i = 2; i < words.length; i += 2)
                pages(Path.of(words[1]), words[i], words[i + 1]);
            return;
        }
        if (words[0].equals("--range")) {
            range(Path.of(words[1]));
            return;
        }
        Path store = Path.of(words[0]);
        int middle = Arrays.asList(words).indexOf("--");
        Set<String> dead = new HashSet<>();
        for (int i = middle + 1; i < words.length; i++)
            try (ParquetReader<Group> rows = new Rows(store.resolve(words[i])).build()) {
                for (Group row; (row = rows.read()) != null;)
                    dead.add(row.getString("file_path", 0) + ":" + row.getLong("pos", 0));
            }
        StringBuilder out = new StringBuilder();
        for (int i = 1; i < middle; i++)
            try (ParquetReader<Group> rows = new Rows(store.resolve(words[i])).build()) {
                long pos = 0;
                for (Group row; (row = rows.read()) != null; pos++)
                    if (!dead.contains(words[i] + ":" + pos) && !isExpired(row))
                        print(row, out);
            }
        System.out.write(out.toString().getBytes(StandardCharsets.UTF_8));
        System.out.flush();
    }

    static boolean isExpired(Group row) {
        return row.getFieldRepetitionCount("expires_at") > 0 && row.getLong("expires_at", 0) <= System.currentTimeMillis();
    }

    static void print(Group row, StringBuilder out) {
        out.append('{');
        for (int i = 0; i < row.getType().getFieldCount(); i++) {
            Type type = row.getType().getType(i);
            out.append(i == 0 ? "" : ",").append(quoted(type.getName())).append(':');
            if (row.getFieldRepetitionCount(i) == 0)
                out.append("null");
            else if (type.isPrimitive())
                out.append(value(row, i, 0));
            else
                out.append(list(row.getGroup(i, 0)));
        }
        out.append("}\n");
    }

    static String list(Group repeated) {
        List<String> items = new ArrayList<>();
        boolean isVector = false;
        for (int i = 0; i < repeated.getFieldRepetitionCount(0); i++) {
            Group item = repeated.getGroup(0, i);
            isVector = item.getType().getType(0).asPrimitiveType().getPrimitiveTypeName().name().equals("FLOAT");
            items.add(isVector ? String.format("%08x", Float.floatToRawIntBits(item.getFloat(0, 0))) : value(item, 0, 0));
        }
        return isVector ? "\"" + String.join("", items) + "\"" : "[" + String.join(",", items) + "]";
    }

    static String value(Group row, int field, int index) {
        switch (row.getType().getType(field).asPrimitiveType().getPrimitiveTypeName()) {
        case INT64:
            return "\"" + row.getLong(field, index) + "\"";
        case DOUBLE:
            return String.format("\"%016x\"", Double.doubleToRawLongBits(row.getDouble(field, index)));
        case BOOLEAN:
            return String.valueOf(row.getBoolean(field, index));
        case BINARY:
            return quoted(row.getBinary(field, index).toStringUsingUTF8());
        default:
            throw new IllegalStateException("a column of a type that we do not write");
        }
    }

    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char unit : text.toCharArray())
            if (unit < 0x20 || unit == '"' || unit == '\\' || unit > 0x7e)
                out.append(String.format("\\u%04x", (int) unit));
            else
                out.append(unit);
        return out.append('"').toString();
    }

    static void pages(Path path, String column, String value) throws IOException {
        FilterCompat.Filter filter = FilterCompat.get(column.equals("version")
            ? FilterApi.eq(FilterApi.longColumn(column), Long.valueOf(value))
            : FilterApi.eq(FilterApi.binaryColumn(column), Binary.fromString(value)));
        System.out.println(rowsLeft(path, filter, options -> options.useStatsFilter(true)) + " "
            + rowsLeft(path, filter, options -> options.useBloomFilter(true)) + " "
            + rowsLeft(path, filter, options -> options.useColumnIndexFilter(true)));
    }

    static long rowsLeft(Path path, FilterCompat.Filter filter, UnaryOperator<ParquetReadOptions.Builder> choice)
            throws IOException {
        ParquetReadOptions.Builder none = ParquetReadOptions.builder(new PlainParquetConfiguration())
            .withRecordFilter(filter).useStatsFilter(false).useDictionaryFilter(false).useBloomFilter(false)
            .useColumnIndexFilter(false);
        try (ParquetFileReader reader = ParquetFileReader.open(new LocalInputFile(path), choice.apply(none).build())) {
            return reader.getFilteredRecordCount();
        }
    }

    /* Spark and Hadoop give each task a range of bytes, and read the row groups whose middle is in it. */
    static void range(Path path) throws IOException {
        ParquetReadOptions options = ParquetReadOptions.builder(new PlainParquetConfiguration())
            .withRange(0, path.toFile().length()).build();
        try (ParquetFileReader reader = ParquetFileReader.open(new LocalInputFile(path), options)) {
            System.out.println(reader.getRecordCount());
        }
    }
}
